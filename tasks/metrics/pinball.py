"""The pinball loss of quantiles, and the share of labels between two of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


def pinball(quantiles: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """Return ``max(τ (y − q), (τ − 1) (y − q))`` for each quantile q of a level τ.

    Source: Koenker & Bassett 1978, "Regression Quantiles" (eq. 2.2).

    Shape:
        quantiles ``[..., Q]``, target ``[...]``, levels ``[Q]``; result ``[..., Q]``.

    Example:
        >>> pinball(torch.tensor([0.0, 2.0]), torch.tensor(1.0), torch.tensor([0.1, 0.9]))
        tensor([0.1000, 0.1000])
    """
    error = target.unsqueeze(-1) - quantiles
    return torch.maximum(levels * error, (levels - 1) * error)


class Pinball(Metric):
    """Mean over labels and levels of the pinball loss; sums in double precision.

    Args:
        levels: Levels of the quantiles.

    Example:
        >>> metric = Pinball([0.5])
        >>> metric.update(torch.tensor([[[1.0]], [[2.0]]]), torch.tensor([[2.0], [2.0]]))
        >>> metric.compute()
        tensor(0.2500, dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        self.levels = torch.tensor(levels, dtype=torch.float64)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, quantiles: Tensor, target: Tensor) -> None:
        """Take in the quantiles ``[B, L, Q]`` and the labels ``[B, L]``, NaN where missing."""
        labelled = ~target.isnan()
        losses = pinball(quantiles.double(), target.double(), self.levels.to(target.device))[labelled]
        self.total = self.total + losses.sum()
        self.count = self.count + losses.numel()

    def compute(self) -> Tensor:
        return self.total / self.count
