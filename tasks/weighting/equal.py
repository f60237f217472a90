"""Equal weighting."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sennit.tasks.weighting._base import Weighting, register_weighting


@register_weighting("equal")
class Equal(Weighting):
    """The plain sum of the tasks' losses: the baseline.

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Example:
        >>> import torch
        >>> Equal()(torch.tensor([1.0, 2.0]), (True, True))
        tensor(3.)
    """

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        return losses.sum()
