"""Certainty about samples without a label."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions


@register_task("entropy_minimisation")
class EntropyMinimisation(Task):
    """The entropy of a task's probabilities, so that its decision boundary avoids dense regions.

    Source: Grandvalet & Bengio 2004, "Semi-supervised Learning by Entropy Minimization" (eq. 5).

    Args:
        of: Name of the task whose probabilities should be certain.
        options: Options of every task; see `Task`. ``view`` is the view that it reads.

    Shape:
        Output as that of the task ``of``, loss ``[B]`` in nats.

    Raises:
        TypeError: The task ``of`` has no probabilities; it is named.

    Example:
        >>> EntropyMinimisation(of="y", view="weak").views
        ('weak',)
    """

    kind = "entropy_minimisation"
    target = None

    def __init__(self, *, of: str, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        self.of, self.out_dim, self.views = of, 0, (self.view,)

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "entropy")

    def loss_from(self, context: TaskContext) -> Tensor:
        return context.lender.entropy(context.outputs[self.view])
