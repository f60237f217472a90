"""Tasks with a label: a class, several labels, numbers; one a sample, or one for each place of a map."""

from sennit.tasks.labelled.classification import Classification
from sennit.tasks.labelled.dense_regression import DenseRegression
from sennit.tasks.labelled.multilabel import MultiLabel
from sennit.tasks.labelled.regression import Regression
from sennit.tasks.labelled.segmentation import Segmentation
from sennit.tasks.labelled.surface_normals import SurfaceNormals

__all__ = [
    "Classification",
    "DenseRegression",
    "MultiLabel",
    "Regression",
    "Segmentation",
    "SurfaceNormals",
]
