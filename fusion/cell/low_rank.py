"""Low-rank tensor fusion."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sennit.fusion.cell._base import Activation, Operator, register_operator
from sennit.fusion.cell.hadamard import product


@register_operator("low_rank")
class LowRank(Operator):
    """``h = σ(Σ_r [∏_k (1 + u_k^(r)) − 1])``: tensor fusion with a weight tensor of rank 4.

    Source: Z. Liu et al. 2018, "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors"
    (eq. 6); for the 1 see `Hadamard`, which is the same at rank 1.

    Example:
        >>> import torch
        >>> LowRank().combine([torch.ones(2, 4, 1)], None, torch.relu, 1)
        tensor([12.])
    """

    blocks = 4

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        return act((product(u) - 1).sum(-2))
