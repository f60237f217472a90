"""A domain that the features should not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import nn

from sennit.data.batch import Batch
from sennit.ramp import Ramp
from sennit.tasks._base import register_task
from sennit.tasks.contract.context import StepNetwork
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled.classification import Classification

_DOMAIN = "loader/domain"


@register_task("domain_adversary")
class DomainAdversary(Classification):
    """The loader that a sample comes from, which the features are trained not to show.

    Its head learns to tell the domains apart; the gradient that leaves it is reversed, along the published
    ramp from 0 to -1, so that encoders and fusion unlearn what it reads. It is not weighted: most weightings
    would reward an adversary that wins.
    Source: Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks" (eq. 9, §5.2.2).

    Any task with labels can be an adversary of its own labels: give it a negative ``reversal``.

    Args:
        domains: Names of the loaders, one for each domain: ``("source", "target")``.
        width: Size of the hidden layer of its head.
        options: Options of every task; see `Task`. ``reversal`` is ``Ramp("dann", share=1.0, end=-1.0)`` when
            it is not given.

    Shape:
        output ``[B, domains]``, loss ``[B]``.

    Example:
        >>> task = DomainAdversary(("source", "target"))
        >>> task.weighted, task.answers
        (False, False)
    """

    kind = "domain_adversary"

    def __init__(self, domains: Sequence[str], *, width: int = 64, **options: Unpack[TaskOptions]) -> None:
        settings: TaskOptions = {
            "reversal": Ramp("dann", share=1.0, end=-1.0),
            **options,
            "drawn": _DOMAIN,
            "loaders": tuple(domains),
        }
        super().__init__(list(domains), **settings)
        self.width = width

    def build_head(self, in_dim: int) -> nn.Module:
        return nn.Sequential(nn.Linear(in_dim, self.width), nn.ReLU(), nn.Linear(self.width, self.out_dim))

    def render(self, name: str, batches: list[Batch], network: StepNetwork) -> list[Batch]:
        """Return the batches with the domain of each sample, which is that of its loader."""
        return [self._with_domain(batch) if self.learns_from(batch) else batch for batch in batches]

    def _with_domain(self, batch: Batch) -> Batch:
        device = next(iter(batch.inputs.values())).device
        domain = torch.full((batch.batch_size,), self.classes.index(batch.loader), device=device)
        return batch.replaced(drawn={**batch.drawn, _DOMAIN: domain})
