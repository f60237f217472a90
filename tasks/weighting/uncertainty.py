"""Uncertainty weighting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sennit.tasks._base import Task
from sennit.tasks.weighting._base import Weighting, register_weighting


@register_weighting("uncertainty")
class Uncertainty(Weighting):
    """Learned noise levels of the tasks; the noisier a task, the lower its weight.

    ``Σ_k c_k e^{−s_k} L_k + ½ s_k`` with ``s = log σ²``, and c = ½ for a squared error, 1 for a
    cross-entropy. The log-variances are parameters, one for each task, so that an inactive task's gets no
    gradient and does not move; the learner exempts them from weight decay.
    Source: Kendall et al. 2018, "Multi-Task Learning Using Uncertainty to Weigh Losses" (eqs. 7, 10).

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> weighting = Uncertainty()
        >>> weighting.bind({"class": Classification(3), "speed": Regression()})
        >>> weighting(torch.tensor([1.0, 2.0]), (True, True)).item()
        2.0
    """

    def bind(self, tasks: Mapping[str, Task]) -> None:
        self.factors = tuple(0.5 if t.gaussian else 1.0 for t in tasks.values())
        self.log_variances = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in tasks])

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        chosen = [k for k, on in enumerate(active) if on]
        s = torch.stack([self.log_variances[k] for k in chosen])
        factors = losses.new_tensor([self.factors[k] for k in chosen])
        picked = losses if len(chosen) == len(losses) else losses[chosen]
        return (factors * (-s).exp() * picked + 0.5 * s).sum()
