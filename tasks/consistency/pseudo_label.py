"""Labels that a model gives to samples itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from torch import Tensor, nn

from sennit.tasks._base import Task, register_task
from sennit.tasks.consistency.thresholds import Guesses, Threshold, threshold_of
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
        threshold: Least confidence with which a sample counts, or one of `list_thresholds`. A less certain
            sample costs nothing, but is part of the mean.
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

    def __init__(
        self,
        *,
        of: str,
        threshold: float | Mapping[str, Any] | Threshold = 0.0,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        self.of, self.out_dim, self.views, self.threshold = of, 0, (self.view,), threshold_of(threshold)

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "pseudo_label")

    def bind(self, name: str, model: nn.Module) -> None:
        self.threshold.bind(name, model.get_submodule("tasks")[self.of])  # type: ignore[index]

    def loss_from(self, context: TaskContext) -> Tensor:
        lender, output = context.lender, context.outputs[self.view]
        assert isinstance(lender, Task)
        label, confidence = lender.pseudo_label(output)
        loss = lender.sample_means(lender.loss(output, label), output)
        index, counted, rows = context.batch.index, context.counted, context.view(self.view).rows
        if rows is not None:
            index, counted = (None if x is None else x.index_select(0, rows) for x in (index, counted))
        guesses = Guesses(output, label, confidence, counted, context.batch.loader, index)
        return loss * self.threshold.weights(lender, guesses).to(loss.dtype)

    def after_step(self) -> None:
        """Let the threshold remember the guesses of the step."""
        self.threshold.after_step()
