"""Weightings: many losses into one."""

from tasks.weighting._base import Weighting, create_weighting, list_weightings, register_weighting
from tasks.weighting.dwa import DWA
from tasks.weighting.equal import Equal
from tasks.weighting.famo import FAMO
from tasks.weighting.fixed import Fixed
from tasks.weighting.geometric import Geometric
from tasks.weighting.gradnorm import GradNorm
from tasks.weighting.imtl_l import IMTLL
from tasks.weighting.random import Random
from tasks.weighting.running_deviation import RunningDeviation
from tasks.weighting.uncertainty import Uncertainty

__all__ = [
    "DWA",
    "FAMO",
    "IMTLL",
    "Equal",
    "Fixed",
    "Geometric",
    "GradNorm",
    "Random",
    "RunningDeviation",
    "Uncertainty",
    "Weighting",
    "create_weighting",
    "list_weightings",
    "register_weighting",
]
