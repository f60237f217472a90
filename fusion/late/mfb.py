"""Multimodal factorised bilinear pooling."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.factor_product import FactorProduct
from sennit.fusion.types import FusionOutput


@register_fusion("mfb")
class MFB(PooledFusion):
    """Factorised bilinear pooling: ``z_o = Σ_f ∏_m (U_m x_m + c_m)_of``, then power and l2 normalisation.

    ``z ← sign(z) |z|^½``, ``z ← z / ‖z‖``. For more than two modalities the product goes over all of them;
    every c starts at one, so that each modality counts at first as in a sum. A learned token stands in for
    an absent modality.
    Source: Yu et al. 2017, "Multi-modal Factorized Bilinear Pooling with Co-attention Learning for Visual
    Question Answering" (§3), with the biases of the authors' code.

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        factors: Number of factors that are summed to one feature.
        dropout: Dropout rate before the sum.

    Shape:
        ``pooled [B, embed_dim]``, of length 1.

    Raises:
        ValueError: ``factors`` is below 1.

    Example:
        >>> import torch; from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MFB(encoders, embed_dim=16)(out).pooled.norm(dim=1).round(decimals=3).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    stage = "late"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        factors: int = 5,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'mfb'", factors=factors)
        self.embed_dim, self.factors = embed_dim, factors
        self.expand = FactorProduct(self.dims, embed_dim * factors)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        product = self.expand(self.vectors(outputs, present))
        z = self.dropout(product).float().unflatten(1, (self.embed_dim, self.factors)).sum(2)
        return FusionOutput(pooled=F.normalize(signed_root(z), dim=1).to(product.dtype))


def signed_root(z: Tensor) -> Tensor:
    """``sign(z) |z|^½``, whose gradient stays finite at 0.

    Example:
        >>> import torch
        >>> signed_root(torch.tensor([-4.0, 0.0, 9.0]))
        tensor([-2.,  0.,  3.])
    """
    return z * (z.abs() + 1e-8).rsqrt()
