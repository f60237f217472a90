"""Metrics of classes and of labels by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    BinaryAccuracy,
    MulticlassAccuracy,
    MulticlassF1Score,
    MultilabelAccuracy,
)

from sennit.tasks.metrics.by_label import (
    MeanByLabel,
    OneAgainstRest,
    average_precision,
    f1,
    log_loss,
    mean_absolute_error,
    roc_auc,
)
from sennit.tasks.metrics.confusion import (
    ConfusionFigure,
    balanced_accuracy,
    pixel_accuracy,
    weighted_kappa,
)
from sennit.tasks.metrics.log_loss import LogLoss
from sennit.tasks.metrics.median_class import median_class


class _OfChosen(ConfusionFigure):
    """A figure of the confusion matrix of the likeliest classes."""

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in the scores ``[B, C]`` and the classes ``[B]``."""
        super().update(score.argmax(1), target)


def class_metrics(names: Sequence[str], classes: int) -> MetricCollection:
    """Return the metrics of one class of several.

    Args:
        names: Names of the metrics.
        classes: Number of classes.
    """
    return _collection(names, _class_makers(classes))


def _class_makers(classes: int) -> dict[str, Callable[[], Metric]]:
    return {
        "accuracy": lambda: MulticlassAccuracy(classes, average="micro"),
        "balanced_accuracy": lambda: _OfChosen(balanced_accuracy, classes),
        "f1_macro": lambda: MulticlassF1Score(classes, average="macro"),
        "auroc": lambda: OneAgainstRest(roc_auc),
        "average_precision": lambda: OneAgainstRest(average_precision, second_of_two=True),
        "log_loss": LogLoss,
    }


class _RankError(MeanByLabel):
    """The mean distance between the rank of the median class and that of the true one."""

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in the probabilities ``[B, C]`` and the classes ``[B]``."""
        super().update(median_class(score).float()[:, None], target.float()[:, None])


class _OfMedian(ConfusionFigure):
    """A figure of the confusion matrix of the median classes."""

    def update(self, score: Tensor, target: Tensor) -> None:
        """Take in the probabilities ``[B, C]`` and the classes ``[B]``."""
        super().update(median_class(score), target)


def ordinal_metrics(names: Sequence[str], classes: int) -> MetricCollection:
    """Return the metrics of one class of several that have an order.

    Args:
        names: Names of the metrics.
        classes: Number of classes.
    """
    makers: dict[str, Callable[[], Metric]] = {
        "kappa": lambda: _OfMedian(weighted_kappa, classes),
        "rank_mae": lambda: _RankError(mean_absolute_error),
        "accuracy": lambda: _OfMedian(pixel_accuracy, classes),
        "balanced_accuracy": lambda: _OfMedian(balanced_accuracy, classes),
    }
    return _collection(names, {**_class_makers(classes), **makers})


def label_metrics(names: Sequence[str], labels: int) -> MetricCollection:
    """Return the metrics of several labels.

    Args:
        names: Names of the metrics.
        labels: Number of labels.
    """
    makers: dict[str, Callable[[], Metric]] = {
        "accuracy": lambda: (
            MultilabelAccuracy(labels, average="micro", ignore_index=-1)
            if labels > 1  # it refuses a single label
            else BinaryAccuracy(ignore_index=-1)
        ),
        "f1_macro": lambda: MeanByLabel(f1),
        "auroc": lambda: MeanByLabel(roc_auc),
        "average_precision": lambda: MeanByLabel(average_precision),
        "log_loss": lambda: MeanByLabel(log_loss),
    }
    return _collection(names, makers)


def _collection(names: Sequence[str], makers: Mapping[str, Callable[[], Metric]]) -> MetricCollection:
    return MetricCollection({name: makers[name]() for name in names}, compute_groups=False)
