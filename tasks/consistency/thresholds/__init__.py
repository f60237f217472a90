"""Thresholds: which guessed labels count, and how much."""

from sennit.tasks.consistency.thresholds._base import (
    THRESHOLDS,
    Guesses,
    Threshold,
    create_threshold,
    list_thresholds,
    register_threshold,
    threshold_of,
)
from sennit.tasks.consistency.thresholds.fixed import Fixed
from sennit.tasks.consistency.thresholds.flexmatch import FlexMatch
from sennit.tasks.consistency.thresholds.freematch import FreeMatch
from sennit.tasks.consistency.thresholds.softmatch import SoftMatch
from sennit.tasks.consistency.thresholds.statistics import GuessStatistics

__all__ = [
    "THRESHOLDS",
    "Fixed",
    "FlexMatch",
    "FreeMatch",
    "GuessStatistics",
    "Guesses",
    "SoftMatch",
    "Threshold",
    "create_threshold",
    "list_thresholds",
    "register_threshold",
    "threshold_of",
]
