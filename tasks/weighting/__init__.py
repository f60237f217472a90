"""Weightings: many losses into one."""

from tasks.weighting._base import Weighting, create_weighting, list_weightings, register_weighting
from tasks.weighting.equal import Equal
from tasks.weighting.famo import FAMO
from tasks.weighting.uncertainty import Uncertainty

__all__ = [
    "FAMO",
    "Equal",
    "Uncertainty",
    "Weighting",
    "create_weighting",
    "list_weightings",
    "register_weighting",
]
