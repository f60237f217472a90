"""The model: a network of encoders, fusion, sharing and heads, its losses, and a step of training."""

from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.labelled_mean import labelled_means
from sennit.tasks.model.losses import task_losses, training_features
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.network import Network
from sennit.tasks.model.outputs import Features, TaskOutput
from sennit.tasks.model.parts import model_parts
from sennit.tasks.model.prepare import Batches, Prepared, prepare
from sennit.tasks.model.step import StepLosses, step_losses
from sennit.tasks.model.terms import sample_losses

__all__ = [
    "Batches",
    "Features",
    "MultiTaskModel",
    "Network",
    "Prepared",
    "StepLosses",
    "TaskOutput",
    "active_tasks",
    "labelled_means",
    "model_parts",
    "prepare",
    "sample_losses",
    "step_losses",
    "task_losses",
    "training_features",
]
