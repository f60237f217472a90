"""Tasks: what is learned, what the tasks share, how their losses become one step."""

from importlib import import_module
from typing import TYPE_CHECKING

from tasks._base import Task, create_task, list_tasks, register_task
from tasks.aam_softmax import AAMSoftmax
from tasks.am_softmax import AMSoftmax
from tasks.balancing import Balancing, PCGrad, create_balancing, list_balancings, register_balancing
from tasks.classification import Classification
from tasks.consistency import Consistency
from tasks.latent_transfer import latent_transfer
from tasks.modality_weights import modality_weights
from tasks.model import MultiTaskModel
from tasks.multilabel import MultiLabel
from tasks.network import Features
from tasks.regression import Regression
from tasks.sharing import (
    CGC,
    MTAN,
    NDDRCNN,
    PLE,
    Adaptive,
    CrossStitch,
    Hard,
    MeanRegularized,
    MMoE,
    Segments,
    Sharing,
    Sluice,
    SoftL2,
    SoftOrthogonality,
    TensorNormal,
    TraceNorm,
    create_sharing,
    list_sharings,
    register_sharing,
    start_from_single_tasks,
)
from tasks.triplet import Triplet
from tasks.types import TaskOutput
from tasks.weighting import (
    FAMO,
    Equal,
    Uncertainty,
    Weighting,
    create_weighting,
    list_weightings,
    register_weighting,
)

if TYPE_CHECKING:
    from tasks.export import export_program
    from tasks.learner import Learner
    from tasks.onnx_export import export_onnx
    from tasks.training import Fitted, fit

__all__ = [
    "CGC",
    "FAMO",
    "MTAN",
    "NDDRCNN",
    "PLE",
    "AAMSoftmax",
    "AMSoftmax",
    "Adaptive",
    "Balancing",
    "Classification",
    "Consistency",
    "CrossStitch",
    "Equal",
    "Features",
    "Fitted",
    "Hard",
    "Learner",
    "MMoE",
    "MeanRegularized",
    "MultiLabel",
    "MultiTaskModel",
    "PCGrad",
    "Regression",
    "Segments",
    "Sharing",
    "Sluice",
    "SoftL2",
    "SoftOrthogonality",
    "Task",
    "TaskOutput",
    "TensorNormal",
    "TraceNorm",
    "Triplet",
    "Uncertainty",
    "Weighting",
    "create_balancing",
    "create_sharing",
    "create_task",
    "create_weighting",
    "export_onnx",
    "export_program",
    "fit",
    "latent_transfer",
    "list_balancings",
    "list_sharings",
    "list_tasks",
    "list_weightings",
    "modality_weights",
    "register_balancing",
    "register_sharing",
    "register_task",
    "register_weighting",
    "start_from_single_tasks",
]


_LAZY = {
    "Learner": "tasks.learner",
    "Fitted": "tasks.training",
    "fit": "tasks.training",
    "export_program": "tasks.export",
    "export_onnx": "tasks.onnx_export",
}


def __getattr__(name: str) -> object:
    # Lightning and the exporters are heavy: they are imported when asked for, not with the package.
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'tasks' has no attribute '{name}'")
