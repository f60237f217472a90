"""Operators of the cells of `sennit.fusion.Cells`, one a file; and the genome that says which."""

from sennit.fusion.cell._base import (
    OPERATORS,
    Activation,
    Operator,
    create_operator,
    list_operators,
    register_operator,
)
from sennit.fusion.cell.activations import ACTIVATIONS
from sennit.fusion.cell.attention import Attention
from sennit.fusion.cell.concat import Concat
from sennit.fusion.cell.gated import Gated
from sennit.fusion.cell.genome import EMBEDDING, MERGES, Cell, Genome, chain
from sennit.fusion.cell.hadamard import Hadamard
from sennit.fusion.cell.low_rank import LowRank
from sennit.fusion.cell.sum import Sum

__all__ = [
    "ACTIVATIONS",
    "EMBEDDING",
    "MERGES",
    "OPERATORS",
    "Activation",
    "Attention",
    "Cell",
    "Concat",
    "Gated",
    "Genome",
    "Hadamard",
    "LowRank",
    "Operator",
    "Sum",
    "chain",
    "create_operator",
    "list_operators",
    "register_operator",
]
