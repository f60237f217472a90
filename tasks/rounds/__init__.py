"""Rounds: trainings one after the other, each on data that the one before chose or labelled."""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports
from sennit.tasks.rounds.acquisition import (
    BALD,
    Acquisition,
    Agreement,
    Choice,
    Entropy,
    LeastConfident,
    Margin,
    PseudoLabel,
    Random,
    RoundState,
    create_acquisition,
    list_acquisitions,
    register_acquisition,
)
from sennit.tasks.rounds.pool import Pool
from sennit.tasks.rounds.stochastic import dropout_modules, stochastic

if TYPE_CHECKING:
    from sennit.tasks.rounds.round_data import RoundData, RoundsResult
    from sennit.tasks.rounds.rounds import Rounds
    from sennit.tasks.rounds.tri_training import TriTraining, majority_vote

__all__ = [
    "BALD",
    "Acquisition",
    "Agreement",
    "Choice",
    "Entropy",
    "LeastConfident",
    "Margin",
    "Pool",
    "PseudoLabel",
    "Random",
    "RoundData",
    "RoundState",
    "Rounds",
    "RoundsResult",
    "TriTraining",
    "create_acquisition",
    "dropout_modules",
    "list_acquisitions",
    "majority_vote",
    "register_acquisition",
    "stochastic",
]

# Lightning is slow to import: it comes with what needs it.
_LAZY = {
    "RoundData": "sennit.tasks.rounds.round_data",
    "Rounds": "sennit.tasks.rounds.rounds",
    "RoundsResult": "sennit.tasks.rounds.round_data",
    "TriTraining": "sennit.tasks.rounds.tri_training",
    "majority_vote": "sennit.tasks.rounds.tri_training",
}
__getattr__ = lazy_exports(__name__, _LAZY)
