"""Intermediate fusions, one method a file."""

from sennit.fusion.intermediate.bottleneck import Bottleneck
from sennit.fusion.intermediate.cells import CellLayer, Cells, late_cell
from sennit.fusion.intermediate.central_net import CentralNet
from sennit.fusion.intermediate.correlated_layers import CorrelatedLayers
from sennit.fusion.intermediate.cross_attention import CrossAttention
from sennit.fusion.intermediate.dynamic import Dynamic
from sennit.fusion.intermediate.mmtm import MMTM
from sennit.fusion.intermediate.perceiver import Perceiver
from sennit.fusion.intermediate.similar_units import SimilarUnits
from sennit.fusion.intermediate.stacked_autoencoders import StackedAutoencoders

__all__ = [
    "MMTM",
    "Bottleneck",
    "CellLayer",
    "Cells",
    "CentralNet",
    "CorrelatedLayers",
    "CrossAttention",
    "Dynamic",
    "Perceiver",
    "SimilarUnits",
    "StackedAutoencoders",
    "late_cell",
]
