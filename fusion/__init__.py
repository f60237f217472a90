"""Fusions: each combines the outputs of several encoders into one."""

from fusion._base import Fusion, create_fusion, list_fusions, register_fusion
from fusion.decision.mean import MeanProbability, MeanRule
from fusion.decision.multiplicative import Multiplicative, MultiplicativeRule
from fusion.early.concat import EarlyConcat
from fusion.fused_encoder import FusedEncoder
from fusion.intermediate.bottleneck import Bottleneck
from fusion.intermediate.cells import Cells
from fusion.intermediate.central_net import CentralNet
from fusion.intermediate.mmtm import MMTM
from fusion.late.concat import LateConcat
from fusion.late.gated import Gated
from fusion.late.low_rank import LowRank
from fusion.missing import MissingTokens, ModalityDropout
from fusion.types import FusionOutput, Rule, Stage

__all__ = [
    "MMTM",
    "Bottleneck",
    "Cells",
    "CentralNet",
    "EarlyConcat",
    "FusedEncoder",
    "Fusion",
    "FusionOutput",
    "Gated",
    "LateConcat",
    "LowRank",
    "MeanProbability",
    "MeanRule",
    "MissingTokens",
    "ModalityDropout",
    "Multiplicative",
    "MultiplicativeRule",
    "Rule",
    "Stage",
    "create_fusion",
    "list_fusions",
    "register_fusion",
]
