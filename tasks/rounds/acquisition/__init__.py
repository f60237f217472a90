"""Acquisitions: which labels the next round has, one method a file."""

from sennit.tasks.rounds.acquisition._base import (
    Acquisition,
    Choice,
    RoundState,
    create_acquisition,
    list_acquisitions,
    register_acquisition,
)
from sennit.tasks.rounds.acquisition.agreement import Agreement
from sennit.tasks.rounds.acquisition.bald import BALD
from sennit.tasks.rounds.acquisition.entropy import Entropy
from sennit.tasks.rounds.acquisition.least_confident import LeastConfident
from sennit.tasks.rounds.acquisition.margin import Margin
from sennit.tasks.rounds.acquisition.pseudo_label import PseudoLabel
from sennit.tasks.rounds.acquisition.random import Random

__all__ = [
    "BALD",
    "Acquisition",
    "Agreement",
    "Choice",
    "Entropy",
    "LeastConfident",
    "Margin",
    "PseudoLabel",
    "Random",
    "RoundState",
    "create_acquisition",
    "list_acquisitions",
    "register_acquisition",
]
