"""Labels that a model gives to samples itself."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions


@register_task("pseudo_label")
class PseudoLabel(Task):
    """The loss of a task for the label that its own output names, which changes with every step.

    The paper's coefficient α(t) is a ``gradient_scale``: it is 0 at first and rises.
    Source: Lee 2013, "Pseudo-Label: The Simple and Efficient Semi-Supervised Learning Method for Deep Neural
    Networks" (eq. 15).

    Args:
        of: Name of the task whose outputs are taken for labels.
        threshold: Least confidence with which a sample counts. A less certain one costs nothing, but is part
            of the mean.
        options: Options of every task; see `Task`. ``view`` is the view that it reads.

    Shape:
        Output as that of the task ``of``, loss ``[B]``.

    Raises:
        ValueError: The threshold is not from 0 to 1.
        TypeError: The task ``of`` names no labels.

    Example:
        >>> from sennit.ramp import Ramp
        >>> ramp = Ramp("linear", steps=5000, end=3.0)
        >>> PseudoLabel(of="y", threshold=0.9, gradient_scale=ramp).views
        ('',)
    """

    kind = "pseudo_label"
    target = None

    def __init__(self, *, of: str, threshold: float = 0.0, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        if not 0 <= threshold <= 1:
            raise ValueError(f"`threshold` should be from 0 to 1. Found {threshold}.")
        self.of, self.out_dim, self.views, self.threshold = of, 0, (self.view,), threshold

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "pseudo_label")

    def loss_from(self, context: TaskContext) -> Tensor:
        lender, output = context.lender, context.outputs[self.view]
        assert isinstance(lender, Task)
        label, confidence = lender.pseudo_label(output)
        loss = lender.sample_means(lender.loss(output, label), output)
        return loss * (confidence >= self.threshold)
