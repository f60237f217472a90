"""Normalisation by the running deviation of the losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.tasks._base import Task
from sennit.tasks.weighting._base import Weighting, register_weighting

_LEAST = 0.01


@register_weighting("running_deviation")
class RunningDeviation(Weighting):
    """Losses divided by their running standard deviations: a simple alternative to learned variances.

    ``Σ_k ℓ_k / σ_k``, with σ_k² the variance of the values of ℓ_k so far, the present one included,
    weighted by their age: ``m ← m + a (ℓ − m)``, ``v ← (1 − a)(v + a (ℓ − m)²)`` with ``a = max(1/n, 1 −
    decay)`` at the nth value, so that the first values count equally, and ``σ² = v / (1 − q)`` without
    bias, q the sum of the squared weights. The first value has no deviation and is divided by itself.
    σ is at least a hundredth of m, so that a constant loss does not outweigh the others. No gradient flows
    into σ; an inactive task's σ stays.
    Source: no paper; the updates are those of Finch 2009, "Incremental calculation of weighted mean and
    variance".

    Args:
        decay: Share of the past that remains at each step, from 0 to less than 1.

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Raises:
        ValueError: ``decay`` out of range.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> weighting = RunningDeviation()
        >>> weighting.bind({"class": Classification(3), "speed": Regression()})
        >>> weighting(torch.tensor([1.0, 200.0]), (True, True))
        tensor(2.)
        >>> weighting(torch.tensor([3.0, 600.0]), (True, True))  # twice 3 / √2
        tensor(4.2426)
    """

    count: Tensor
    mean: Tensor
    variance: Tensor
    squares: Tensor

    def __init__(self, *, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` should be from 0 to less than 1. Found {decay}.")
        self.decay = decay

    def bind(self, tasks: Mapping[str, Task]) -> None:
        for name in ("count", "mean", "variance", "squares"):
            self.register_buffer(name, torch.zeros(len(tasks)))

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        on = torch.tensor(active, device=losses.device)
        if self.training:
            self._take(losses.detach().float(), on)
        deviation = (self.variance / (1 - self.squares).clamp(min=torch.finfo(torch.float32).eps)).sqrt()
        mean = self.mean.abs()
        scale = torch.where(self.count > 1, deviation.maximum(_LEAST * mean), mean)
        # A task without a value so far, or with zeros only, has no scale.
        return torch.where(on, losses / torch.where(scale > 0, scale, 1), 0).sum()

    def _take(self, values: Tensor, on: Tensor) -> None:
        on = on & values.isfinite()  # a gradient scaler skips the step of one that is not
        self.count = count = self.count + on
        rate = torch.where(on, (1 / count.clamp(min=1)).clamp(min=1 - self.decay), 0)
        apart = torch.where(on, values - self.mean, 0)
        self.mean = self.mean + rate * apart
        self.variance = (1 - rate) * (self.variance + rate * apart.square())
        self.squares = torch.where(on, (1 - rate).square() * self.squares + rate.square(), self.squares)
