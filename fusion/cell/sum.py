"""Sum."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.fusion.cell._base import Activation, Operator, joined, register_operator
from torch import Tensor


@register_operator("sum")
class Sum(Operator):
    """``h = Σ_k σ(u_k)``: each input has passed its own layer before it is added.

    Example:
        >>> import torch
        >>> Sum().combine([torch.tensor([[[1.0]], [[-3.0]]])], None, torch.relu, 1)
        tensor([1.])
    """

    def combine(
        self, u: Sequence[Tensor], there: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        h = act(joined(u).squeeze(-2))
        return (h if there is None else h * there.unsqueeze(-1)).sum(0)
