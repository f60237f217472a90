"""Gated multimodal unit."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.missing import uniform_weights
from sennit.fusion.types import FusionOutput


@register_fusion("gated")
class Gated(PooledFusion):
    """Gated multimodal unit: each modality's features, weighted by gates that see all of them.

    ``h_m = tanh(W_m x_m)``, ``z_m = σ(U_m [x_1; …; x_M])``, ``h = Σ_m z_m ⊙ h_m``; with two
    modalities the gates are tied as in the paper, ``h = z ⊙ h_1 + (1 − z) ⊙ h_2``.
    ``modality_weights`` are the gates' means over the features, normalised to sum to one over the present
    modalities, or over all where none is.
    Source: Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion" (§3.1, fig. 2).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        resize_maps: Whether to resize maps of another size than the first modality's; they are refused else.

    Shape:
        ``pooled [B, embed_dim]``, ``modality_weights [B, M]``.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> Gated(encoders, embed_dim=16)(out).modality_weights.shape
        torch.Size([4, 2])
    """

    stage = "late"
    fuses_maps = True

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, resize_maps: bool = False
    ) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        self.tied = len(self.dims) == 2
        self.features = nn.ModuleList([nn.Linear(d, embed_dim, bias=False) for d in self.dims])
        gates = 1 if self.tied else len(self.dims)
        self.gates = nn.Linear(sum(self.dims), gates * embed_dim, bias=False)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        vectors = self.vectors(outputs, present)
        h = torch.stack([f(x).tanh() for f, x in zip(self.features, vectors, strict=True)], 1)
        z = self.gates(torch.cat(vectors, 1)).sigmoid().unflatten(1, (-1, self.embed_dim))
        if self.tied:
            z = torch.cat([z, 1 - z], 1)
        share = z.mean(2) * uniform_weights(present, self.modalities, z)
        return FusionOutput(
            pooled=(z * h).sum(1), modality_weights=share / share.sum(1, keepdim=True).clamp(min=1e-6)
        )
