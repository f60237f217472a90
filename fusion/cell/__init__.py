"""What a cell of `sennit.fusion.Cells` can do with its inputs, one operator a file."""

from sennit.fusion.cell._base import Operator, create_operator, list_operators, register_operator
from sennit.fusion.cell.activations import ACTIVATIONS
from sennit.fusion.cell.attention import Attention
from sennit.fusion.cell.concat import Concat
from sennit.fusion.cell.gated import Gated
from sennit.fusion.cell.hadamard import Hadamard
from sennit.fusion.cell.low_rank import LowRank
from sennit.fusion.cell.sum import Sum

__all__ = [
    "ACTIVATIONS",
    "Attention",
    "Concat",
    "Gated",
    "Hadamard",
    "LowRank",
    "Operator",
    "Sum",
    "create_operator",
    "list_operators",
    "register_operator",
]
