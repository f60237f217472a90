"""Sharings: which parameters the tasks have in common."""

from sennit.tasks.sharing._base import Sharing, create_sharing, list_sharings, register_sharing
from sennit.tasks.sharing._stage_attention import TaskAttention
from sennit.tasks.sharing.adaptive import Adaptive
from sennit.tasks.sharing.cgc import CGC
from sennit.tasks.sharing.cross_stitch import CrossStitch, StitchUnit
from sennit.tasks.sharing.flip_flop import flip_flop, mode_product, negative_log_prior
from sennit.tasks.sharing.hard import Hard
from sennit.tasks.sharing.mean_regularized import MeanRegularized
from sennit.tasks.sharing.mmoe import MMoE
from sennit.tasks.sharing.mtan import MTAN
from sennit.tasks.sharing.nddr_cnn import NDDRCNN, NDDRUnit
from sennit.tasks.sharing.ple import PLE
from sennit.tasks.sharing.segments import Segments
from sennit.tasks.sharing.sluice import Sluice, SluiceUnit
from sennit.tasks.sharing.soft_l2 import SoftL2
from sennit.tasks.sharing.soft_orthogonality import SoftOrthogonality
from sennit.tasks.sharing.somp import somp
from sennit.tasks.sharing.tensor_normal import TensorNormal
from sennit.tasks.sharing.trace_norm import TraceNorm, trace_norm
from sennit.tasks.sharing.tree import draw_tree, tree_mermaid

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
    "draw_tree",
    "flip_flop",
    "list_sharings",
    "mode_product",
    "negative_log_prior",
    "register_sharing",
    "somp",
    "trace_norm",
    "tree_mermaid",
]
