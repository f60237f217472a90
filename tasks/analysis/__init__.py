"""Looking at tasks: what they do to each other, in training and in the end."""

from sennit.tasks.analysis.curves import draw_curves
from sennit.tasks.analysis.delta_m import delta_m
from sennit.tasks.analysis.figures import draw_affinity
from sennit.tasks.analysis.inter_task_affinity import inter_task_affinity
from sennit.tasks.analysis.modality_weights import modality_weights

__all__ = ["delta_m", "draw_affinity", "draw_curves", "inter_task_affinity", "modality_weights"]
