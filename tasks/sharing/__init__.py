"""Sharings: which parameters the tasks have in common."""

from tasks.sharing._base import Sharing, create_sharing, list_sharings, register_sharing
from tasks.sharing.adaptive import Adaptive
from tasks.sharing.affinity import error_affinity, prediction_affinity
from tasks.sharing.cgc import CGC
from tasks.sharing.cross_stitch import CrossStitch, StitchUnit
from tasks.sharing.figures import draw_covariances, draw_mixing
from tasks.sharing.flip_flop import flip_flop, mode_product, negative_log_prior
from tasks.sharing.growing import grow, thin
from tasks.sharing.hard import Hard
from tasks.sharing.mean_regularized import MeanRegularized
from tasks.sharing.mmoe import MMoE
from tasks.sharing.mtan import MTAN, TaskAttention
from tasks.sharing.nddr_cnn import NDDRCNN, NDDRUnit
from tasks.sharing.ple import PLE
from tasks.sharing.segments import Segments
from tasks.sharing.sluice import Sluice, SluiceUnit
from tasks.sharing.soft_l2 import SoftL2
from tasks.sharing.soft_orthogonality import SoftOrthogonality
from tasks.sharing.somp import somp
from tasks.sharing.start import start_from_single_tasks
from tasks.sharing.tensor_normal import TensorNormal
from tasks.sharing.trace_norm import TraceNorm, trace_norm
from tasks.sharing.tree import draw_tree, tree_mermaid

__all__ = [
    "CGC",
    "MTAN",
    "NDDRCNN",
    "PLE",
    "Adaptive",
    "CrossStitch",
    "Hard",
    "MMoE",
    "MeanRegularized",
    "NDDRUnit",
    "Segments",
    "Sharing",
    "Sluice",
    "SluiceUnit",
    "SoftL2",
    "SoftOrthogonality",
    "StitchUnit",
    "TaskAttention",
    "TensorNormal",
    "TraceNorm",
    "create_sharing",
    "draw_covariances",
    "draw_mixing",
    "draw_tree",
    "error_affinity",
    "flip_flop",
    "grow",
    "list_sharings",
    "mode_product",
    "negative_log_prior",
    "prediction_affinity",
    "register_sharing",
    "somp",
    "start_from_single_tasks",
    "thin",
    "trace_norm",
    "tree_mermaid",
]
