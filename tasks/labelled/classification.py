"""One class of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.labels import UNKNOWN
from sennit.data.target_spec import TargetSpec
from sennit.ramp import Progress, Ramp, ramp_of, value_at
from sennit.registry import check_names
from sennit.tasks._base import Task, register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled._classes import named_classes, weights_of_classes

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

CLASS_METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "auroc", "average_precision", "log_loss")
"""Names of the metrics of classes."""


@register_task("classification")
class Classification(Task):
    """One class of several; the loss is the cross-entropy.

    The loss of a soft target, the probability of each class, is the mean of the classes' losses by it.

    Args:
        classes: Number of classes, or their names in the order of the labels.
        class_weights: Weight of each class's samples in the loss. The mean over samples is not
            divided by the weights, so give weights of mean 1 to keep the scale.
        metrics: Names of the metrics: ``"accuracy"``, ``"balanced_accuracy"``, ``"f1_macro"``,
            ``"log_loss"``, ``"auroc"`` (the mean over the classes, each against the rest) and
            ``"average_precision"`` (the same, but that of the second of two classes). The last two keep all
            scores of an evaluation.
        label_smoothing: Share of the target spread evenly over all classes (Szegedy et al. 2016, §7). The
            weight of the sample's class multiplies all of it; torch weighs the share of each class by
            that class's weight.
        annealing: Probability above which the label of a training sample is known too well to count; a ramp
            from 1 over the number of classes to 1 releases the samples of a small labelled set slowly (Xie
            et al. 2020, "Unsupervised Data Augmentation for Consistency Training", §2.2). None: all count.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, C]``, target ``[B]`` (class indices) or ``[B, C]`` (probabilities), loss ``[B]``.

    Example:
        >>> task = Classification(["cat", "dog"])
        >>> task.predict(torch.tensor([[0.0, 2.0]]))[0]["label"]
        'dog'
    """

    kind = "classification"
    class_weights: Tensor | None

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        class_weights: Sequence[float] | None = None,
        metrics: Sequence[str] = ("accuracy", "f1_macro"),
        label_smoothing: float = 0.0,
        annealing: float | Ramp | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(**options)
        self.classes = named_classes(classes, least=2, owner="a classification")
        self.out_dim = len(self.classes)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"`label_smoothing` should be from 0 to less than 1. Found {label_smoothing}.")
        check_names("metric", metrics, CLASS_METRICS)
        self.label_smoothing, self.metric_names = label_smoothing, tuple(metrics)
        self.annealing = None if annealing is None else ramp_of(annealing)
        weights = weights_of_classes(class_weights, self.out_dim)
        self.register_buffer("class_weights", weights, persistent=False)
        self.target = TargetSpec((), torch.long, classes=self.out_dim, names=tuple(self.classes))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point():
            return self.expected_cost(-output.float().log_softmax(-1), target)
        try:
            loss = F.cross_entropy(
                output.float(),
                target,
                reduction="none",
                label_smoothing=self.label_smoothing,
                ignore_index=UNKNOWN,
            )
        except IndexError:  # on the CPU; a GPU stops with an assertion
            raise self._outside(target) from None
        return loss if self.class_weights is None else loss * self.class_weights[target]

    def keeps(self, output: Tensor, target: Tensor, progress: Progress) -> Tensor | None:
        if self.annealing is None:
            return None
        p = self.scores(output.detach())
        soft = target if target.is_floating_point() else F.one_hot(target, len(self.classes))
        return (p * soft).sum(-1) <= value_at(self.annealing, progress)

    def log_probabilities(self, output: Tensor) -> Tensor:
        return output.float().log_softmax(-1)

    def _outside(self, target: Tensor) -> ValueError:
        return ValueError(
            f"the target of a classification of {len(self.classes)} classes should be from 0 to "
            f"{len(self.classes) - 1}. Found {int(target.min())} to {int(target.max())}. Mark samples "
            f"without a class in `labelled`."
        )

    def expected_cost(self, cost: Tensor, target: Tensor) -> Tensor:
        if target.is_floating_point():
            return self.mean_by_class(cost, cost.mean(-1, keepdim=True), target)
        try:
            loss = cost.gather(-1, target.unsqueeze(-1)).squeeze(-1)
        except RuntimeError:  # as above; the shapes are known to agree
            raise self._outside(target) from None
        if self.label_smoothing:
            loss = (1 - self.label_smoothing) * loss + self.label_smoothing * cost.mean(-1)
        return loss if self.class_weights is None else loss * self.class_weights[target]

    def mean_by_class(self, cost: Tensor, smooth: Tensor, target: Tensor) -> Tensor:
        """Return the mean of the classes' losses, by their probabilities in a soft target.

        Args:
            cost: Cost of each class if it were the label.
            smooth: Mean cost of all classes, if each class were the label.
            target: Probability of each class.

        Shape:
            cost and target ``[B, C]``, smooth ``[B, C]`` or ``[B, 1]``, result ``[B]``.
        """
        if self.label_smoothing:
            cost = (1 - self.label_smoothing) * cost + self.label_smoothing * smooth
        weights = target if self.class_weights is None else target * self.class_weights
        return (cost * weights).sum(-1)

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return ``KL(p_teacher ‖ p_student)`` of each sample."""
        log_p, log_q = teacher.detach().float().log_softmax(-1), student.float().log_softmax(-1)
        return (log_p.exp() * (log_p - log_q)).sum(-1)

    def soft_target(self, output: Tensor) -> Tensor:
        """Return the probabilities ``[B, C]``."""
        return self.scores(output.detach())

    def output_for(self, target: Tensor) -> Tensor:
        """Return the logarithms of probabilities ``[B, C]``."""
        return target.clamp(min=torch.finfo(target.dtype).tiny).log()

    def pseudo_label(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Return the likeliest class and its probability."""
        confidence, label = self.scores(output.detach()).max(-1)
        return label, confidence

    def entropy(self, output: Tensor) -> Tensor:
        """Return the entropy of the class of each sample, in nats."""
        log_p = output.float().log_softmax(-1)
        return -(log_p.exp() * log_p).sum(-1)

    def sharpen(self, target: Tensor, temperature: float) -> Tensor:
        """Return ``p^{1/T} / Σ p^{1/T}`` of the probabilities ``[B, C]``."""
        return (target.log() / temperature).softmax(-1)

    def mix(self, a: Tensor, b: Tensor, share: Tensor) -> Tensor:
        """Return mixed probabilities ``[B, C]`` of class indices, or of probabilities."""
        a, b = (x if x.is_floating_point() else F.one_hot(x, len(self.classes)).float() for x in (a, b))
        return super().mix(a, b, share)

    def metrics(self) -> MetricCollection:
        from sennit.tasks.labelled._class_metrics import class_metrics

        return class_metrics(self.metric_names, len(self.classes))

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return the accuracy."""
        classes = target.argmax(-1) if target.is_floating_point() else target
        return float((output.argmax(-1) == classes)[labelled].float().mean())

    def scores(self, logits: Tensor) -> Tensor:
        return logits.float().softmax(-1)

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        return [
            {
                "label": self.classes[max(range(len(p)), key=p.__getitem__)],
                "probabilities": dict(zip(self.classes, p, strict=True)),
            }
            for p in self.scores(logits).tolist()
        ]
