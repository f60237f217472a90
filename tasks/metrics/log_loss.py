"""The log loss of classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class LogLoss(Metric):
    """Mean over samples of ``−log p`` of the true class, in nats; the sum is in double precision.

    Example:
        >>> metric = LogLoss()
        >>> metric.update(torch.tensor([[0.5, 0.5], [0.25, 0.75]]), torch.tensor([0, 1]))
        >>> metric.compute()
        tensor(0.4904, dtype=torch.float64)
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in the probabilities ``[B, C]`` and the classes ``[B]``."""
        p = score.gather(1, target[:, None]).double().clamp(min=torch.finfo(torch.float32).tiny)
        self.total = self.total - p.log().sum()
        self.count = self.count + len(target)

    def compute(self) -> Tensor:
        return self.total / self.count
