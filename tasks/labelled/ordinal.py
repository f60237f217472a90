"""One class of several that have an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from torch import Tensor
from torch.nn import functional as F

from sennit.ramp import Progress
from sennit.registry import check_names
from sennit.tasks._base import register_task
from sennit.tasks.contract.options import TaskOptions
from sennit.tasks.labelled.classification import CLASS_METRICS, Classification
from sennit.tasks.metrics.median_class import median_class

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

ORDINAL_METRICS = ("kappa", "rank_mae", *CLASS_METRICS)
"""Names of the metrics of ordered classes."""


@register_task("ordinal")
class Ordinal(Classification):
    """One class of several that have an order, such as grades; the head has one output less than classes.

    Output k says whether the class is above k where it is at least k: ``P(y > k | y ≥ k) = σ(o_k)``, so that
    ``P(y > k)`` never rises with k. The loss is ``−log P(y)``, the sum of the binary cross-entropies of the
    outputs up to the class. The answer is the median class.
    Source: Shi, Cao & Raschka 2023, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based on
    Conditional Probabilities" (CORN, eq. 4 and 6; their mean is over the outputs, this one over samples).

    Args:
        classes: Number of classes, or their names from the lowest to the highest.
        metrics: Names of the metrics: ``"kappa"`` (Cohen's, with quadratic weights), ``"rank_mae"`` (the mean
            distance between the ranks), and those of a `Classification`, of the likeliest class.
        options: Options of every task; see `Task`.

    Shape:
        output ``[B, C − 1]``, target ``[B]`` (class indices) or ``[B, C]`` (probabilities), loss ``[B]``.
        Where ``[B, C]`` log-probabilities stand for an output, as after a decision rule, they are taken.

    Example:
        >>> import torch
        >>> task = Ordinal(["low", "middle", "high"])
        >>> task.predict(torch.tensor([[3.0, -3.0]]))[0]["label"]
        'middle'
    """

    kind = "ordinal"

    def __init__(
        self,
        classes: int | Sequence[str],
        *,
        metrics: Sequence[str] = ("kappa", "accuracy", "rank_mae"),
        **options: Unpack[TaskOptions],
    ) -> None:
        check_names("metric", metrics, ORDINAL_METRICS)
        super().__init__(classes, **options)
        self.metric_names = tuple(metrics)
        self.out_dim = len(self.classes) - 1

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Return the log-probabilities of the classes ``[..., C]``."""
        output = output.float()
        if output.shape[-1] == len(self.classes):
            return output.log_softmax(-1)
        above = F.pad(F.logsigmoid(output).cumsum(-1), (1, 0))  # log P(y ≥ k)
        return above + F.pad(F.logsigmoid(-output), (0, 1))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return super().loss(self.log_probabilities(output), target)

    def keeps(self, output: Tensor, target: Tensor, progress: Progress) -> Tensor | None:
        return super().keeps(self.log_probabilities(output), target, progress)

    def divergence(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Return ``KL(p_teacher ‖ p_student)`` of each sample."""
        return super().divergence(self.log_probabilities(teacher), self.log_probabilities(student))

    def entropy(self, output: Tensor) -> Tensor:
        """Return the entropy of the class of each sample, in nats."""
        return super().entropy(self.log_probabilities(output))

    def scores(self, logits: Tensor) -> Tensor:
        return self.log_probabilities(logits).exp()

    def metrics(self) -> MetricCollection:
        from sennit.tasks.labelled._class_metrics import ordinal_metrics

        return ordinal_metrics(self.metric_names, len(self.classes))

    def score(self, output: Tensor, target: Tensor, labelled: Tensor) -> float:
        """Return Cohen's kappa of the median classes, with quadratic weights."""
        from sennit.tasks.metrics.confusion import confusion, weighted_kappa

        classes = target.argmax(-1) if target.is_floating_point() else target
        ranks = median_class(self.scores(output))[labelled]
        return float(weighted_kappa(confusion(ranks, classes[labelled], len(self.classes))))

    def predict(self, logits: Tensor) -> list[Mapping[str, Any]]:
        p = self.scores(logits)
        return [
            {"label": self.classes[k], "probabilities": dict(zip(self.classes, row, strict=True))}
            for k, row in zip(median_class(p).tolist(), p.tolist(), strict=True)
        ]
