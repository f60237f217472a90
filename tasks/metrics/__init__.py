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
    from sennit.tasks.metrics.by_label import (
        R2,
        MeanByLabel,
        average_precision,
        f1,
        log_loss,
        mean_absolute_error,
        mean_by_label,
        r2,
        roc_auc,
        root_mean_squared_error,
    )
    from sennit.tasks.metrics.concordance import Concordance
    from sennit.tasks.metrics.confusion import (
        ConfusionFigure,
        balanced_accuracy,
        mean_iou,
        pixel_accuracy,
        weighted_kappa,
    )
    from sennit.tasks.metrics.depth_errors import DepthFigure
    from sennit.tasks.metrics.log_loss import LogLoss
    from sennit.tasks.metrics.pinball import Pinball
    from sennit.tasks.metrics.recall import RecallAt1
    from sennit.tasks.metrics.span_f1 import SpanF1

__all__ = [
    "R2",
    "AngleFigure",
    "Answers",
    "Concordance",
    "ConfusionFigure",
    "DepthFigure",
    "Evaluation",
    "Evaluator",
    "LogLoss",
    "MeanByLabel",
    "Pinball",
    "RecallAt1",
    "SpanF1",
    "average_precision",
    "balanced_accuracy",
    "directions",
    "evaluate",
    "f1",
    "log_loss",
    "mean_absolute_error",
    "mean_by_label",
    "mean_iou",
    "nearest_is_of_class",
    "pixel_accuracy",
    "r2",
    "roc_auc",
    "root_mean_squared_error",
    "weighted_kappa",
]

# torchmetrics and scikit-learn are slow to import: they come with the first metric.
_BY_LABEL = (
    "R2", "MeanByLabel", "average_precision", "f1", "log_loss", "mean_absolute_error", "mean_by_label", "r2",
    "roc_auc", "root_mean_squared_error",
)  # fmt: skip
_OF_CONFUSION = ("ConfusionFigure", "balanced_accuracy", "mean_iou", "pixel_accuracy", "weighted_kappa")
_LAZY = {
    "AngleFigure": "sennit.tasks.metrics.angles",
    "Concordance": "sennit.tasks.metrics.concordance",
    "DepthFigure": "sennit.tasks.metrics.depth_errors",
    "LogLoss": "sennit.tasks.metrics.log_loss",
    "Pinball": "sennit.tasks.metrics.pinball",
    **dict.fromkeys(_OF_CONFUSION, "sennit.tasks.metrics.confusion"),
    "RecallAt1": "sennit.tasks.metrics.recall",
    "SpanF1": "sennit.tasks.metrics.span_f1",
    **dict.fromkeys(_BY_LABEL, "sennit.tasks.metrics.by_label"),
}
__getattr__ = lazy_exports(__name__, _LAZY)
