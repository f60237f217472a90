"""Agreement between two views of the same sample; no label needed."""

from __future__ import annotations

from torch import Tensor

from sennit.tasks._base import Task, register_task


@register_task("consistency")
class Consistency(Task):
    """Agreement of a classifier's predictions for two views of a sample, labelled or not.

    The loss is ``KL(p_teacher ‖ p_student)``, with no gradient through the teacher's view. The task
    has no head of its own: it reads that of the classification ``of``.
    Source: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training" (eq. 1).

    Args:
        of: Name of the task whose predictions should agree.
        teacher: Name of the view whose predictions are the target (weakly augmented).
        student: Name of the view that learns from it (strongly augmented).

    Shape:
        Logits ``[B, C]`` of both views, loss ``[B]``.

    Example:
        >>> import torch
        >>> task = Consistency(of="digit", teacher="weak", student="strong")
        >>> task.agreement(torch.zeros(2, 3), torch.zeros(2, 3))
        tensor([0., 0.])
    """

    kind = "consistency"
    target = None

    def __init__(self, *, of: str, teacher: str, student: str) -> None:
        super().__init__()
        self.of, self.views = of, (teacher, student)
        self.out_dim = 0

    def agreement(self, *logits: Tensor) -> Tensor:
        """Return the divergence of each sample, from the teacher's and the student's logits."""
        teacher, student = logits
        log_p = teacher.detach().float().log_softmax(-1)
        log_q = student.float().log_softmax(-1)
        return (log_p.exp() * (log_p - log_q)).sum(-1)

    def check(self, other: Task) -> None:
        """Refuse a task whose outputs are not the logits of classes."""
        if other.kind != "classification":
            raise TypeError(
                f"a consistency task should be of a classification. Found '{self.of}', a {other.kind}."
            )
