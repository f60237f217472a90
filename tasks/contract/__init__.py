"""The requests of a task and what it is given: sources of its head, options, the context of its loss."""

from sennit.tasks.contract.context import StepNetwork, TaskContext
from sennit.tasks.contract.feature_source import FeatureSource
from sennit.tasks.contract.lending import Lending
from sennit.tasks.contract.options import TaskOptions

__all__ = ["FeatureSource", "Lending", "StepNetwork", "TaskContext", "TaskOptions"]
