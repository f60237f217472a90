"""Tucker fusion."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from sennit.encoders.types import EncoderOutput
from sennit.fusion._base import register_fusion
from sennit.fusion._checks import check_at_least
from sennit.fusion._pooled_base import PooledFusion
from sennit.fusion.inputs import FusionInput
from sennit.fusion.late.factor_product import FactorProduct
from sennit.fusion.types import FusionOutput


@register_fusion("mutan")
class MUTAN(PooledFusion):
    """Tensor fusion with a Tucker-decomposed weight whose core has slices of low rank.

    ``x̃_m = W_m x_m + c_m``, ``z = Σ_r ⊙_m (N_m^(r) x̃_m + n_m^(r))``, ``h = W_o z + b``: each feature of z
    sees a slice of the core tensor of rank R at most. For more than two modalities the product goes over all
    of them; every n starts at one, so that each modality counts at first as in a sum. A learned token stands
    in for an absent modality.
    Source: Ben-younes et al. 2017, "MUTAN: Multimodal Tucker Fusion for Visual Question Answering" (Tucker
    fusion with the constraint on the rank of the core, and the biases n of the authors' code).

    Args:
        encoders: Encoder of each modality.
        embed_dim: Size of the result.
        core_dim: Size of the core tensor in each of its modes, that of z included.
        rank: Rank R of each slice of the core.

    Shape:
        ``pooled [B, embed_dim]``.

    Raises:
        ValueError: ``core_dim`` or ``rank`` is below 1.

    Example:
        >>> import torch; from sennit.encoders import create_encoder
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> out = {m: EncoderOutput(torch.randn(4, e.embed_dim)) for m, e in encoders.items()}
        >>> MUTAN(encoders, embed_dim=16, core_dim=8, rank=3)(out).pooled.shape
        torch.Size([4, 16])
    """

    stage = "late"

    def __init__(
        self,
        encoders: Mapping[str, FusionInput],
        *,
        embed_dim: int = 128,
        core_dim: int = 64,
        rank: int = 10,
    ) -> None:
        super().__init__(encoders)
        check_at_least(1, "fusion 'mutan'", core_dim=core_dim, rank=rank)
        self.embed_dim, self.core_dim, self.rank = embed_dim, core_dim, rank
        self.project = nn.ModuleList([nn.Linear(d, core_dim) for d in self.dims])
        self.core = FactorProduct([core_dim] * len(self.dims), rank * core_dim)
        self.out = nn.Linear(core_dim, embed_dim)

    def forward(
        self, outputs: Mapping[str, EncoderOutput], present: Mapping[str, Tensor] | None = None
    ) -> FusionOutput:
        vectors = zip(self.project, self.vectors(outputs, present), strict=True)
        z = self.core([project(x) for project, x in vectors]).unflatten(1, (self.rank, self.core_dim)).sum(1)
        return FusionOutput(pooled=self.out(z))
