"""Tasks with a label: classes, numbers, times until an event; of a sample, a place of a map or a token."""

from sennit.tasks.labelled.classification import CLASS_METRICS, Classification
from sennit.tasks.labelled.dense_regression import DenseRegression
from sennit.tasks.labelled.multilabel import LABEL_METRICS, MultiLabel
from sennit.tasks.labelled.number_transform import NumberTransform
from sennit.tasks.labelled.ordinal import ORDINAL_METRICS, Ordinal
from sennit.tasks.labelled.poisson_regression import PoissonRegression
from sennit.tasks.labelled.quantile_regression import QuantileRegression
from sennit.tasks.labelled.regression import NUMBER_METRICS, Regression
from sennit.tasks.labelled.segmentation import Segmentation
from sennit.tasks.labelled.surface_normals import SurfaceNormals
from sennit.tasks.labelled.survival import SURVIVAL_METRICS, Survival
from sennit.tasks.labelled.token_classification import TokenClassification

__all__ = [
    "CLASS_METRICS",
    "LABEL_METRICS",
    "NUMBER_METRICS",
    "ORDINAL_METRICS",
    "SURVIVAL_METRICS",
    "Classification",
    "DenseRegression",
    "MultiLabel",
    "NumberTransform",
    "Ordinal",
    "PoissonRegression",
    "QuantileRegression",
    "Regression",
    "Segmentation",
    "SurfaceNormals",
    "Survival",
    "TokenClassification",
]
