"""Analysis of tasks: how they affect each other during training and in the result."""

from sennit.tasks.analysis.affinity import branch_affinity, error_affinity, prediction_affinity
from sennit.tasks.analysis.curves import draw_curves
from sennit.tasks.analysis.delta_m import delta_m
from sennit.tasks.analysis.figures import draw_affinity
from sennit.tasks.analysis.inter_task_affinity import inter_task_affinity
from sennit.tasks.analysis.modality_weights import modality_weights
from sennit.tasks.analysis.sharing_figures import draw_covariances, draw_mixing

__all__ = [
    "branch_affinity",
    "delta_m",
    "draw_affinity",
    "draw_covariances",
    "draw_curves",
    "draw_mixing",
    "error_affinity",
    "inter_task_affinity",
    "modality_weights",
    "prediction_affinity",
]
