"""Dynamic weight average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.tasks._base import Task
from sennit.tasks.weighting._base import Weighting, register_weighting


@register_weighting("dwa")
class DWA(Weighting):
    """Tasks whose losses fall slowly from epoch to epoch weigh more.

    ``Σ_k λ_k ℓ_k`` with ``λ_k = K exp(r_k / T) / Σ_i exp(r_i / T)``, ``r_k = L_k(t−1) / L_k(t−2)`` and
    L_k the mean of the loss over an epoch; r is 1 until two epochs have passed. K and the sums are over
    the active tasks. A task's means are over the batches in which it was active (and its loss finite); an
    epoch without any leaves its r unchanged. The `Learner` announces each epoch; in your own loop call
    ``on_epoch_start(epoch)``. (torchjd's means are not in the state dict, and count inactive tasks as zeros.)
    Source: S. Liu et al. 2019, "End-to-End Multi-Task Learning with Attention" (eq. 7).

    Args:
        temperature: Temperature T; 2 as in the paper. The larger it is, the more alike the weights.

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Raises:
        ValueError: ``temperature`` is not above 0.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> weighting = DWA()
        >>> weighting.bind({"class": Classification(3), "speed": Regression()})
        >>> for epoch, losses in enumerate([(2.0, 2.0), (2.0, 1.0)]):
        ...     weighting.on_epoch_start(epoch)
        ...     _ = weighting(torch.tensor(losses), (True, True))
        >>> weighting.on_epoch_start(2)
        >>> weighting.weights((True, True)).sum(), weighting.rates
        (tensor(2.), tensor([1.0000, 0.5000]))
    """

    epoch: Tensor
    total: Tensor
    count: Tensor
    newer: Tensor
    older: Tensor

    def __init__(self, *, temperature: float = 2.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"`temperature` should be more than 0. Found {temperature}.")
        self.temperature = temperature

    def bind(self, tasks: Mapping[str, Task]) -> None:
        self.register_buffer("epoch", torch.tensor(-1))
        for name in ("total", "count", "newer", "older"):
            self.register_buffer(name, torch.zeros(len(tasks)))

    def on_epoch_start(self, epoch: int) -> None:
        if epoch == int(self.epoch):
            return  # a run that resumes where an epoch began
        self.epoch = torch.full_like(self.epoch, epoch)
        seen = self.count > 0
        self.older = torch.where(seen, self.newer, self.older)
        self.newer = torch.where(seen, self.total / self.count.clamp(min=1), self.newer)
        self.total, self.count = torch.zeros_like(self.total), torch.zeros_like(self.count)

    @property
    def rates(self) -> Tensor:
        """The ratio of each task's mean losses in the last two epochs, r ``[K]``."""
        past = self.older > 0  # losses are above zero: zero stands for an epoch that has not passed yet
        return torch.where(past, self.newer / torch.where(past, self.older, 1), 1)

    def weights(self, active: Sequence[bool]) -> Tensor:
        """Return λ of each task ``[K]``; zero for inactive ones."""
        on = torch.tensor(active, device=self.older.device)
        return on.sum() * (self.rates / self.temperature).masked_fill(~on, -torch.inf).softmax(0)

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        if self.training:
            values = losses.detach()
            counts = torch.tensor(active, device=losses.device) & values.isfinite()
            self.total, self.count = self.total + torch.where(counts, values, 0), self.count + counts
        return (self.weights(active) * losses).sum()
