"""Impartial multi-task learning by losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sennit.tasks._base import Task
from sennit.tasks.weighting._base import Weighting, register_weighting


@register_weighting("imtl_l")
class IMTLL(Weighting):
    """Learned scales of the losses that bring all scaled losses near 1.

    ``Σ_k e^{s_k} ℓ_k − s_k``, whose minimum in s_k is where ``e^{s_k} ℓ_k = 1``. The s are parameters,
    one for each task, that start at zero; the learner exempts them from weight decay. (torchjd's are one
    vector, in which an optimizer with momentum moves an inactive task's too.)
    Source: L. Liu et al. 2021, "Towards Impartial Multi-task Learning" (IMTL-L).

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Example:
        >>> from sennit.tasks import Classification, Regression
        >>> weighting = IMTLL()
        >>> weighting.bind({"class": Classification(3), "speed": Regression()})
        >>> weighting(torch.tensor([1.0, 2.0]), (True, True)).item()
        3.0
    """

    def bind(self, tasks: Mapping[str, Task]) -> None:
        self.log_scales = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in tasks])

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        chosen = [k for k, on in enumerate(active) if on]
        s = torch.stack([self.log_scales[k] for k in chosen])
        return (s.exp() * losses[chosen] - s).sum()
