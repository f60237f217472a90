"""Training: the loop, checkpoints, optimization, logs, and what a training starts from."""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports
from sennit.tasks.training.cache_features import cache_features
from sennit.tasks.training.extended import extended, extended_balancing
from sennit.tasks.training.feature_dataset import FeatureDataset
from sennit.tasks.training.feature_model import feature_model, take_weights
from sennit.tasks.training.growing import grow, thin
from sennit.tasks.training.latent_transfer import latent_transfer
from sennit.tasks.training.optimization import OptimizerFactory, parameter_groups
from sennit.tasks.training.schedules import SCHEDULES, Schedule, make_schedule
from sennit.tasks.training.warm_start import start_from_single_tasks

if TYPE_CHECKING:
    from sennit.tasks.training.checkpoints import read_checkpoint
    from sennit.tasks.training.find_lr import RangeTest, find_lr
    from sennit.tasks.training.fitted import Fitted
    from sennit.tasks.training.fitting import fit
    from sennit.tasks.training.learner import Learner

__all__ = [
    "SCHEDULES",
    "FeatureDataset",
    "Fitted",
    "Learner",
    "OptimizerFactory",
    "RangeTest",
    "Schedule",
    "cache_features",
    "extended",
    "extended_balancing",
    "feature_model",
    "find_lr",
    "fit",
    "grow",
    "latent_transfer",
    "make_schedule",
    "parameter_groups",
    "read_checkpoint",
    "start_from_single_tasks",
    "take_weights",
    "thin",
]

# Lightning is slow to import: it comes with what needs it.
_LAZY = {
    "Fitted": "sennit.tasks.training.fitted",
    "Learner": "sennit.tasks.training.learner",
    "RangeTest": "sennit.tasks.training.find_lr",
    "find_lr": "sennit.tasks.training.find_lr",
    "fit": "sennit.tasks.training.fitting",
    "read_checkpoint": "sennit.tasks.training.checkpoints",
}
__getattr__ = lazy_exports(__name__, _LAZY)
