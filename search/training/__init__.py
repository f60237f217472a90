"""A second study, over whole trainings: what is not structure."""

from sennit.search.training.choices import Between, Choices, OneOf, TrainingSpace
from sennit.search.training.prune_training import PruneTraining
from sennit.search.training.result import TrainingResult, TrialResult
from sennit.search.training.search_training import search_training
from sennit.search.training.trial_report import TrialReport

__all__ = [
    "Between",
    "Choices",
    "OneOf",
    "PruneTraining",
    "TrainingResult",
    "TrainingSpace",
    "TrialReport",
    "TrialResult",
    "search_training",
]
