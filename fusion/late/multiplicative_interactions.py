"""Multiplicative interactions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_parameters
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.contraction import Contraction
from sennit.fusion.types import FusionOutput


@register_fusion("multiplicative_interactions")
class MultiplicativeInteractions(PooledFusion):
    """A full bilinear form of two modalities: ``z = xᵀ 𝕎 y + U x + V y + b``.

    With more than two modalities, every pair has a bilinear form: ``z = Σ_{m<n} x_mᵀ 𝕎_mn x_n + Σ_m U_m x_m
    + b``. Every 𝕎 starts at zero, so that the fusion starts linear. A learned token stands in for an absent
    modality.
    Source: Jayakumar et al. 2020, "Multiplicative Interactions and Where to Find Them" (eq. 1); the paper
    has two inputs.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: There would be more than 2²⁷ parameters.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MultiplicativeInteractions(encoders, embed_dim=16)(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128) -> None:
        super().__init__(encoders)
        self.embed_dim = embed_dim
        self.linear = nn.Linear(sum(self.dims), embed_dim)
        self.pairs = list(itertools.combinations(range(len(self.dims)), 2))
        count = embed_dim * sum(self.dims[m] * self.dims[n] for m, n in self.pairs)
        owner = f"fusion 'multiplicative_interactions' of {len(self.dims)} modalities of {self.dims} features"
        check_parameters(count, owner, "Lower `embed_dim`, or choose fusion 'low_rank'.")
        forms = [Contraction((self.dims[m], self.dims[n]), embed_dim) for m, n in self.pairs]
        for form in forms:
            nn.init.zeros_(form.weight)
        self.forms = nn.ModuleList(forms)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        vectors = self.vectors(outputs, present)
        z = self.linear(torch.cat(vectors, 1))
        for (m, n), form in zip(self.pairs, self.forms, strict=True):
            z = z + form([vectors[m], vectors[n]])
        return FusionOutput(pooled=z)
