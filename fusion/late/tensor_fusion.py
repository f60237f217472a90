"""Tensor fusion."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least, check_parameters
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.contraction import Contraction
from sennit.fusion.types import FusionOutput


@register_fusion("tensor_fusion")
class TensorFusion(PooledFusion):
    """A linear map of the outer product of all modalities: ``h = W · ⊗_m [x_m; 1] + b``.

    The appended 1s keep the terms of single modalities and of fewer than all. The outer product of three or
    more is never built: the weight is contracted with some of the modalities, then with the others.
    A learned token stands in for an absent modality. Modalities of more than ``max_dim`` features
    are first mapped linearly to that size, since the weight has ``∏_m (D_m + 1) · embed_dim`` entries.
    Source: Zadeh et al. 2017, "Tensor Fusion Network for Multimodal Sentiment Analysis" (the tensor
    fusion layer, and the first map of the inference network).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        max_dim: Largest number of features of a modality (32 in the paper, for sound and vision).

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: ``max_dim`` is below 1, or there would be more than 2²⁷ parameters.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {m: create_encoder("mlp", 3, embed_dim=8) for m in "abc"}
        >>> out = {m: EncoderOutput(torch.randn(4, 8)) for m in encoders}
        >>> fusion = TensorFusion(encoders, embed_dim=16)
        >>> fusion(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"

    def __init__(
        self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, max_dim: int = 32
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'tensor_fusion'", max_dim=max_dim)
        self.embed_dim, self.max_dim = embed_dim, max_dim
        self.reduce = nn.ModuleList(
            [nn.Linear(d, max_dim) if d > max_dim else nn.Identity() for d in self.dims]
        )
        sizes = [min(d, max_dim) + 1 for d in self.dims]
        owner = f"fusion 'tensor_fusion' of {len(sizes)} modalities of {[s - 1 for s in sizes]} features"
        entries = math.prod(sizes) * embed_dim
        check_parameters(entries, owner, "Lower `max_dim`, or choose fusion 'low_rank'.")
        self.form = Contraction(sizes, embed_dim)
        self.bias = nn.Parameter(torch.zeros(embed_dim))

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        vectors = self.vectors(outputs, present)
        ones = [F.pad(r(x), (0, 1), value=1.0) for r, x in zip(self.reduce, vectors, strict=True)]
        return FusionOutput(pooled=self.form(ones) + self.bias)
