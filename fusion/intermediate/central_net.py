"""CentralNet."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._taps_base import TappedFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import MissingTokens, stack_present
from sennit.fusion.types import AuxiliaryInfo, FusionOutput


@register_fusion("central_net")
class CentralNet(TappedFusion):
    """A central network that reads the unimodal ones at each of their layers.

    ``h_C^{i+1} = layer(α_C^i h_C^i + Σ_m α_m^i P_m^i h_m^i)``, where h_m^i is the i-th tap of modality
    m, pooled, and P a linear map to the central width (the paper's layers are equally wide). The
    model also puts a head and a loss on each unimodal embedding, for the paper's total loss
    ``L_C + Σ_m β_m L_m``; these heads serve training only. Encoders of unlike depth are aligned at their
    deepest taps. The fused map is another such network at every location, whose taps are the feature maps of
    all stages, resized to the map, and the map itself.
    Source: Vielzeuf et al. 2018, "CentralNet: a Multilayer Approach for Multimodal Fusion" (eqs. 1-2).

    Args:
        encoders: Encoder of each modality, with at least one tap.
        embed_dim: Width of the central network.
        auxiliary_weight: Weight β of the unimodal losses; 1 as in the paper.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``, ``auxiliary[m] [B, D_m]``.

    Raises:
        TypeError: An encoder has no taps.
        ValueError: ``auxiliary_weight`` is negative.

    Example:
        >>> from sennit.data import View
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import FusedEncoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> fused = FusedEncoder(encoders, CentralNet(encoders, embed_dim=16))
        >>> sorted(fused(View.of({"a": torch.randn(4, 3), "b": torch.randn(4, 5)})).auxiliary)
        ['a', 'b']
    """

    stage = "intermediate"
    fuses_maps = True

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        auxiliary_weight: float = 1.0,
        resize_maps: bool = False,
    ) -> None:
        super().__init__(encoders)
        check_at_least(0, "fusion 'central_net'", auxiliary_weight=auxiliary_weight)
        self.embed_dim = embed_dim
        if auxiliary_weight > 0:
            self.auxiliary_info = {
                m: AuxiliaryInfo(e.embed_dim, auxiliary_weight, (m,), self.map_dim and e.map_dim)
                for m, e in encoders.items()
            }
        depth, count = len(self.taps), len(encoders)
        self.project = nn.ModuleList(
            [nn.ModuleList([nn.Linear(tap.dim, embed_dim) for tap in level]) for level in self.taps]
        )
        self.missing = nn.ModuleList([MissingTokens([embed_dim] * count) for _ in range(depth)])
        self.layers = nn.ModuleList(
            [nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.ReLU()) for _ in range(depth)]
        )
        self.alpha = nn.Parameter(torch.ones(depth, count + 1))  # the central state is the last

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        masks = stack_present(self.modalities, present)
        central = outputs[self.modalities[0]].pooled.new_zeros(1, self.embed_dim)
        for level, (project, layer) in enumerate(zip(self.project, self.layers, strict=True)):
            unimodal = [f(x) for f, x in zip(project.children(), self.level(outputs, level), strict=True)]
            unimodal = self.missing[level](unimodal, masks)
            total = torch.einsum("mbe,m->be", torch.stack(unimodal), self.alpha[level, :-1])
            total = total + self.alpha[level, -1] * central
            central = layer(total)
        return FusionOutput(
            pooled=central,
            auxiliary={m: outputs[m].pooled for m in self.modalities},
            auxiliary_present=dict(present or {}),
        )
