"""Agreement between two views of the same sample; no label needed."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions


@register_task("consistency")
class Consistency(Task):
    """Agreement of a task's outputs for two views of a sample, labelled or not.

    The loss is the task's own `divergence`, with no gradient through the teacher's view: for a classification
    ``KL(p_teacher ‖ p_student)``. The task has no head: it reads that of the task ``of``.
    Source: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training" (eq. 1).

    Args:
        of: Name of the task whose outputs should agree.
        teacher: Name of the view whose outputs are the target (weakly augmented); "" is the batch itself.
        student: Name of the view that learns from it (strongly augmented).
        options: Options of every task; see `Task`.

    Shape:
        Outputs of both views as those of the task ``of``, loss ``[B]``.
    """

    kind = "consistency"
    target = None

    def __init__(self, *, of: str, teacher: str, student: str, **options: Unpack[TaskOptions]) -> None:
        super().__init__(**options)
        self.of, self.views = of, (teacher, student)
        self.out_dim = 0

    def check(self, name: str, other: Task) -> None:
        check_lends(name, other, "divergence")

    def loss_from(self, context: TaskContext) -> Tensor:
        teacher, student = (context.outputs[view] for view in self.views)
        return context.lender.divergence(teacher, student)
