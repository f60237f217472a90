"""Sum."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.fusion.cell._base import Activation, Operator, register_operator


@register_operator("sum")
class Sum(Operator):
    """``h = Σ_k σ(u_k)``: each input passes its own layer before the sum.

    Example:
        >>> Sum().combine([torch.tensor([[[1.0]], [[-3.0]]])], None, torch.relu, 1)
        tensor([1.])
    """

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        h = act(torch.cat(list(u)).squeeze(-2))
        return (h if mask is None else h * mask.unsqueeze(-1)).sum(0)
