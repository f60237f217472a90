"""Low-rank multimodal fusion."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.factor_product import FactorProduct
from sennit.fusion.types import FusionOutput


@register_fusion("low_rank")
class LowRank(PooledFusion):
    """Tensor fusion with a weight tensor of low rank, never built.

    ``h = Σ_r w_r · ⊙_m (W_m^(r) [x_m; 1]) + b``. The appended 1s keep the unimodal and pairwise terms; the
    columns that multiply them start at one, so that at first these terms are no smaller than the full
    product.
    Source: Z. Liu et al. 2018, "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors"
    (eq. 8, with the rank weights of the authors' code).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        rank: Number of factors.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: ``rank`` is below 1.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> LowRank(encoders, embed_dim=16, rank=4)(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"

    def __init__(self, encoders: Mapping[str, FusionInput], *, embed_dim: int = 128, rank: int = 4) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'low_rank'", rank=rank)
        self.embed_dim, self.rank = embed_dim, rank
        # The bias of each linear map is the factor's column for the appended 1.
        self.factors = FactorProduct(self.dims, rank * embed_dim)
        self.rank_weights = nn.Parameter(torch.randn(rank) * rank**-0.5)
        self.bias = nn.Parameter(torch.zeros(embed_dim))

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        product = self.factors(self.vectors(outputs, present))
        ranks = product.unflatten(1, (self.rank, self.embed_dim))
        return FusionOutput(pooled=torch.einsum("bre,r->be", ranks, self.rank_weights) + self.bias)
