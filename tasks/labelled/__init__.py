"""Tasks with a label: classes, numbers, times until an event; of a sample, a place of a map or a token."""

from sennit.tasks.labelled.classification import Classification
from sennit.tasks.labelled.dense_regression import DenseRegression
from sennit.tasks.labelled.multilabel import MultiLabel
from sennit.tasks.labelled.ordinal import Ordinal
from sennit.tasks.labelled.poisson_regression import PoissonRegression
from sennit.tasks.labelled.quantile_regression import QuantileRegression
from sennit.tasks.labelled.regression import Regression
from sennit.tasks.labelled.segmentation import Segmentation
from sennit.tasks.labelled.surface_normals import SurfaceNormals
from sennit.tasks.labelled.survival import Survival
from sennit.tasks.labelled.token_classification import TokenClassification

__all__ = [
    "Classification",
    "DenseRegression",
    "MultiLabel",
    "Ordinal",
    "PoissonRegression",
    "QuantileRegression",
    "Regression",
    "Segmentation",
    "SurfaceNormals",
    "Survival",
    "TokenClassification",
]
