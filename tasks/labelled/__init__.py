"""Tasks with a label: a class, several labels, numbers."""

from sennit.tasks.labelled.classification import Classification
from sennit.tasks.labelled.multilabel import MultiLabel
from sennit.tasks.labelled.regression import Regression

__all__ = ["Classification", "MultiLabel", "Regression"]
