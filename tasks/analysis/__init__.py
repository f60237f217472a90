"""Looking at tasks: what they do to each other, in training and in the end."""

from tasks.analysis.curves import draw_curves
from tasks.analysis.delta_m import delta_m
from tasks.analysis.figures import draw_affinity
from tasks.analysis.inter_task_affinity import inter_task_affinity

__all__ = ["delta_m", "draw_affinity", "draw_curves", "inter_task_affinity"]
