"""Agreement between two views of the same sample; no label needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn

from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.consistency.thresholds import Guesses, Threshold, threshold_of
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.contract.lending import check_lends
from sennit.tasks.contract.options import TaskOptions


@register_task("consistency")
class Consistency(Task):
    """Agreement of a task's outputs for two views of a sample, labelled or not.

    The loss is the task's own `divergence`, with no gradient through the teacher's view: for a classification
    ``KL(p_teacher ‖ p_student)``. The task has no head: it reads that of the task ``of``. Known methods are
    choices of its options:

    - UDA: ``sharpen=0.4, threshold=0.8``, with ``annealing`` of the classification.
    - FixMatch: ``hard=True, threshold=0.95``. With another threshold it is FlexMatch
      (``threshold=create_threshold("flexmatch", samples=60_000)``), FreeMatch or SoftMatch.
    - Π-model: ``distance="squared", gradient="both"``, with a ``gradient_scale`` that rises.

    Source: Xie et al. 2020, "Unsupervised Data Augmentation for Consistency Training" (eq. 1, §2.2); Sohn et
    al. 2020, "FixMatch" (eq. 4); Laine & Aila 2017, "Temporal Ensembling for Semi-Supervised Learning"
    (§2.1).

    Args:
        of: Name of the task whose outputs should agree.
        teacher: Name of the view whose outputs are the target (weakly augmented); "" is the batch itself.
        student: Name of the view that learns from it (strongly augmented). It may have several rows of a
            sample.
        distance: Distance of the outputs: ``"divergence"``, or ``"squared"``, the squared difference of
            probabilities or values, averaged over them.
        gradient: Views that learn, ``"student"`` or ``"both"`` (of a squared distance).
        sharpen: Temperature by which the teacher's logits are divided; below 1 its target is sharper.
        threshold: Least confidence of the teacher, before sharpening, with which a sample counts, or one of
            `list_thresholds`, which may differ by class, change in training, or weigh. A less certain sample
            costs nothing, but is part of the mean.
        hard: Whether the target is the teacher's likeliest label, and the loss that of the task ``of``.
        options: Options of every task; see `Task`.

    Shape:
        Outputs of both views as those of the task ``of``, loss ``[B]``, or ``[R]`` for a student's view
        with R rows, several of a sample.

    Raises:
        ValueError: An unknown distance or gradient, numbers out of range, or options that exclude each other.
        TypeError: The task ``of`` lacks what the options need; it is named.

    Example:
        >>> fixmatch = Consistency(of="y", teacher="weak", student="strong", hard=True, threshold=0.95)
        >>> fixmatch.views
        ('weak', 'strong')
    """

    kind = "consistency"
    target = None

    def __init__(
        self,
        *,
        of: str,
        teacher: str,
        student: str,
        distance: Literal["divergence", "squared"] = "divergence",
        gradient: Literal["student", "both"] = "student",
        sharpen: float = 1.0,
        threshold: float | Mapping[str, Any] | Threshold = 0.0,
        hard: bool = False,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        check_names("distance of a consistency", [distance], ("divergence", "squared"))
        check_names("gradient of a consistency", [gradient], ("student", "both"))
        if teacher == student:
            raise ValueError(
                f"`teacher` and `student` should be two views. Found {teacher!r} for both. Use "
                f"`PseudoLabel` or `EntropyMinimisation` for a single one."
            )
        if not 0 < sharpen <= 1:
            raise ValueError(f"`sharpen` should be above 0 and at most 1. Found {sharpen}.")
        if hard and (distance, gradient, sharpen) != ("divergence", "student", 1.0):
            raise ValueError(
                f"a `hard` target should leave `distance`, `gradient` and `sharpen` as they are. Found "
                f"{distance!r}, {gradient!r} and {sharpen}."
            )
        if gradient == "both" and (distance != "squared" or sharpen != 1):
            raise ValueError(
                f"`gradient='both'` should go with `distance='squared'` and without `sharpen`. Found "
                f"{distance!r} and {sharpen}."
            )
        self.of, self.out_dim, self.views = of, 0, (teacher, student)
        self.distance, self.gradient = distance, gradient
        self.sharpen_by, self.threshold, self.hard = sharpen, threshold_of(threshold), hard
        self._weighs = threshold != 0

    def check(self, name: str, other: Task) -> None:
        if self.hard or self._weighs or self.sharpen_by < 1:
            check_lends(name, other, "pseudo_label")
        if not self.hard and self.distance == "divergence":
            check_lends(name, other, "divergence")

    def bind(self, name: str, model: nn.Module) -> None:
        self.threshold.bind(name, model.get_submodule("tasks")[self.of])  # type: ignore[index]

    def detached_views_of(self, name: str) -> tuple[str, ...]:
        """Return the teacher's view, unless it learns too."""
        return self.views[:1] if self.gradient == "student" else ()

    def loss_from(self, context: TaskContext) -> Tensor | tuple[Tensor, Tensor]:
        lender, (teacher, student) = context.lender, (context.outputs[view] for view in self.views)
        assert isinstance(lender, Task)
        rows, counted = context.view(self.views[1]).rows, context.counted
        if rows is not None:
            teacher = teacher.index_select(0, rows)
        if self.hard or self._weighs:
            label, confidence = lender.pseudo_label(teacher)
        if self.hard:
            loss = lender.sample_means(lender.loss(student, label), student)
        else:
            loss = self._distance(lender, teacher, student)
        batch, index = context.batch, context.batch.index
        every = counted
        if rows is not None:
            whole = torch.ones(batch.batch_size, dtype=torch.bool, device=rows.device)
            every = (whole if counted is None else counted).index_select(0, rows)
            index = None if index is None else index.index_select(0, rows)
        if self._weighs:
            guesses = Guesses(teacher, label, confidence, every, batch.loader, index)
            loss = loss * self.threshold.weights(lender, guesses).to(loss.dtype)
        return loss if rows is None or every is None else (loss, every)

    def after_step(self) -> None:
        """Let the threshold remember the guesses of the step."""
        self.threshold.after_step()

    def _distance(self, lender: Task, teacher: Tensor, student: Tensor) -> Tensor:
        teacher = teacher if self.sharpen_by == 1 else teacher / self.sharpen_by
        if self.distance == "divergence":
            return lender.divergence(teacher, student)
        teacher = teacher if self.gradient == "both" else teacher.detach()
        difference = lender.scores(student) - lender.scores(teacher)
        return lender.sample_means(difference.square(), student)
