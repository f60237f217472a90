"""Tasks with a label: a class, several labels, numbers; of a sample, a place of a map or a token."""

from sennit.tasks.labelled.classification import Classification
from sennit.tasks.labelled.dense_regression import DenseRegression
from sennit.tasks.labelled.multilabel import MultiLabel
from sennit.tasks.labelled.regression import Regression
from sennit.tasks.labelled.segmentation import Segmentation
from sennit.tasks.labelled.surface_normals import SurfaceNormals
from sennit.tasks.labelled.token_classification import TokenClassification

__all__ = [
    "Classification",
    "DenseRegression",
    "MultiLabel",
    "Regression",
    "Segmentation",
    "SurfaceNormals",
    "TokenClassification",
]
