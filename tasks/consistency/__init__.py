"""Tasks without a label: agreement between views of a sample, or between networks."""

from sennit.tasks.consistency.consistency import Consistency
from sennit.tasks.consistency.entropy_minimisation import EntropyMinimisation
from sennit.tasks.consistency.ict import ICT
from sennit.tasks.consistency.ladder import Ladder
from sennit.tasks.consistency.mean_teacher import MeanTeacher
from sennit.tasks.consistency.mixmatch import MixMatch
from sennit.tasks.consistency.pseudo_label import PseudoLabel
from sennit.tasks.consistency.temporal_ensembling import TemporalEnsembling
from sennit.tasks.consistency.thresholds import (
    FlexMatch,
    FreeMatch,
    SoftMatch,
    Threshold,
    create_threshold,
    list_thresholds,
)
from sennit.tasks.consistency.vat import VAT

__all__ = [
    "ICT",
    "VAT",
    "Consistency",
    "EntropyMinimisation",
    "FlexMatch",
    "FreeMatch",
    "Ladder",
    "MeanTeacher",
    "MixMatch",
    "PseudoLabel",
    "SoftMatch",
    "TemporalEnsembling",
    "Threshold",
    "create_threshold",
    "list_thresholds",
]
