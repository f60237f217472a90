"""What a cell of `fusion.Cells` can do with its inputs, one operator a file."""

from fusion.cell._base import Operator, create_operator, list_operators, register_operator
from fusion.cell.activations import ACTIVATIONS
from fusion.cell.attention import Attention
from fusion.cell.concat import Concat
from fusion.cell.gated import Gated
from fusion.cell.hadamard import Hadamard
from fusion.cell.low_rank import LowRank
from fusion.cell.sum import Sum

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
