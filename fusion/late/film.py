"""Feature-wise linear modulation."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.types import FusionOutput
from sennit.registry import unknown_name


@register_fusion("film")
class FiLM(PooledFusion):
    """Feature-wise linear modulation: the other modalities scale and shift the features of one.

    ``h = γ ⊙ (W x_1 + b) + β`` with ``[γ; β] = V [x_2; …; x_M] + c``; as in the paper, γ starts near 1.
    A learned token stands in for an absent modality. One modality alone is not modulated.
    Source: Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer" (eqs. 1-2).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        modulated: Modality whose features are scaled and shifted; None for the first.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: No modality is called ``modulated``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> FiLM(encoders, embed_dim=16, modulated="b")(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"
    fuses_maps = True

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        modulated: str | None = None,
        resize_maps: bool = False,
    ) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        if modulated is not None and modulated not in encoders:
            raise unknown_name("modality in `modulated`", modulated, encoders)
        self.place = 0 if modulated is None else self.modalities.index(modulated)
        self.features = nn.Linear(self.dims[self.place], embed_dim)
        others = sum(self.dims) - self.dims[self.place]
        self.modulation: nn.Linear | None = None
        if len(self.dims) > 1:
            self.modulation = nn.Linear(others, 2 * embed_dim)
            with torch.no_grad():
                self.modulation.bias[:embed_dim] += 1

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        vectors = self.vectors(outputs, present)
        features = self.features(vectors.pop(self.place))
        if self.modulation is None:
            return FusionOutput(pooled=features)
        condition = torch.cat(vectors, 1) if len(vectors) > 1 else vectors[0]
        scale, shift = self.modulation(condition).chunk(2, 1)
        return FusionOutput(pooled=torch.addcmul(shift, scale, features))
