"""Late fusions, one method a file."""

from sennit.fusion.late.attention import ModalityAttention
from sennit.fusion.late.concat import LateConcat
from sennit.fusion.late.contraction import Contraction
from sennit.fusion.late.film import FiLM
from sennit.fusion.late.gated import Gated
from sennit.fusion.late.low_rank import LowRank
from sennit.fusion.late.max import LateMax
from sennit.fusion.late.mean import LateMean
from sennit.fusion.late.mfb import MFB
from sennit.fusion.late.multiplicative_interactions import MultiplicativeInteractions
from sennit.fusion.late.mutan import MUTAN
from sennit.fusion.late.sum import LateSum
from sennit.fusion.late.tensor_fusion import TensorFusion

__all__ = [
    "MFB",
    "MUTAN",
    "Contraction",
    "FiLM",
    "Gated",
    "LateConcat",
    "LateMax",
    "LateMean",
    "LateSum",
    "LowRank",
    "ModalityAttention",
    "MultiplicativeInteractions",
    "TensorFusion",
]
