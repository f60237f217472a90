"""Evaluation of a model, and metrics that torchmetrics lacks: by label, retrieval, R², maps, spans."""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports
from sennit.tasks.metrics.direction import directions
from sennit.tasks.metrics.evaluate import evaluate
from sennit.tasks.metrics.evaluation import Answers, Evaluation
from sennit.tasks.metrics.evaluator import Evaluator
from sennit.tasks.metrics.nearest import nearest_is_of_class

if TYPE_CHECKING:
    from sennit.tasks.metrics.angles import AngleFigure
    from sennit.tasks.metrics.by_label import R2, MeanByLabel, mean_absolute_error, mean_by_label, r2, roc_auc
    from sennit.tasks.metrics.confusion import ConfusionFigure, mean_iou, pixel_accuracy
    from sennit.tasks.metrics.depth_errors import DepthFigure
    from sennit.tasks.metrics.recall import RecallAt1
    from sennit.tasks.metrics.span_f1 import SpanF1

__all__ = [
    "R2",
    "AngleFigure",
    "Answers",
    "ConfusionFigure",
    "DepthFigure",
    "Evaluation",
    "Evaluator",
    "MeanByLabel",
    "RecallAt1",
    "SpanF1",
    "directions",
    "evaluate",
    "mean_absolute_error",
    "mean_by_label",
    "mean_iou",
    "nearest_is_of_class",
    "pixel_accuracy",
    "r2",
    "roc_auc",
]

# torchmetrics and scikit-learn are slow to import: they come with the first metric.
_BY_LABEL = ("R2", "MeanByLabel", "mean_absolute_error", "mean_by_label", "r2", "roc_auc")
_OF_CONFUSION = ("ConfusionFigure", "mean_iou", "pixel_accuracy")
_LAZY = {
    "AngleFigure": "sennit.tasks.metrics.angles",
    "DepthFigure": "sennit.tasks.metrics.depth_errors",
    **dict.fromkeys(_OF_CONFUSION, "sennit.tasks.metrics.confusion"),
    "RecallAt1": "sennit.tasks.metrics.recall",
    "SpanF1": "sennit.tasks.metrics.span_f1",
    **dict.fromkeys(_BY_LABEL, "sennit.tasks.metrics.by_label"),
}
__getattr__ = lazy_exports(__name__, _LAZY)
