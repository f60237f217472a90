"""Weightings: rules that turn many losses into one."""

from sennit.tasks.weighting._base import Weighting, create_weighting, list_weightings, register_weighting
from sennit.tasks.weighting.dwa import DWA
from sennit.tasks.weighting.equal import Equal
from sennit.tasks.weighting.famo import FAMO
from sennit.tasks.weighting.fixed import Fixed
from sennit.tasks.weighting.geometric import Geometric
from sennit.tasks.weighting.gradnorm import GradNorm
from sennit.tasks.weighting.imtl_l import IMTLL
from sennit.tasks.weighting.random import Random
from sennit.tasks.weighting.running_deviation import RunningDeviation
from sennit.tasks.weighting.uncertainty import Uncertainty

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
