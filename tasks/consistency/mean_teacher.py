"""Agreement of a model with the moving average of its weights."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions


@register_task("mean_teacher")
class MeanTeacher(Task):
    """Agreement of a task's outputs with the teacher's for the same samples, labelled or not.

    The loss is the task's own `divergence` of the student's output from the teacher's: for a classification
    ``KL(p_teacher ‖ p_student)``. The student has dropout and batch statistics, the teacher neither; both see
    the same modalities. The learner needs a teacher, ``teacher=create_teacher("ema", decay=0.99)``; another
    kind of teacher makes this distillation. Pass a rising `gradient_scale`, such as
    ``Ramp("gaussian", share=0.3)``: agreement with a teacher that knows nothing yet makes the outputs of all
    samples alike. The task has no head: it reads that of the task ``of``.
    Source: Tarvainen & Valpola 2017, "Mean teachers are better role models: Weight-averaged consistency
    targets improve semi-supervised deep learning results" (§2).

    Args:
        of: Name of the task whose outputs should agree.
        teacher: Name of the view that the teacher reads; "" is the batch itself.
        student: Name of the view that learns from it.
        options: Options of every task; see `Task`.

    Shape:
        Outputs as those of the task ``of``, loss ``[B]``.

    Example:
        >>> task = MeanTeacher(of="digit", gradient_scale={"curve": "gaussian", "share": 0.3})
        >>> task.needs_teacher, task.views
        (True, ('',))
    """

    kind = "mean_teacher"
    target = None
    needs_teacher = True

    def __init__(
        self, *, of: str, teacher: str = "", student: str = "", **options: Unpack[TaskOptions]
    ) -> None:
        super().__init__(**options)
        self.of, self.views, self.out_dim = of, (student,), 0
        self._teacher_view = teacher

    def teacher_views_of(self, name: str) -> tuple[str, ...]:
        return (self._teacher_view,)

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "divergence")

    def loss_from(self, context: TaskContext) -> Tensor:
        (lender,) = context.lenders
        teacher = context.teacher[lender][self._teacher_view]
        return context.lender.divergence(teacher, context.outputs[self.views[0]])
