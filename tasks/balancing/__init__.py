"""Balancings: weights of the gradients that shared parameters receive from the tasks."""

from sennit.tasks.balancing._base import (
    Balancing,
    Level,
    create_balancing,
    list_balancings,
    register_balancing,
)
from sennit.tasks.balancing.aligned_mtl import AlignedMTL
from sennit.tasks.balancing.cagrad import CAGrad
from sennit.tasks.balancing.debiasing import Debiasing
from sennit.tasks.balancing.gradvac import GradVac
from sennit.tasks.balancing.imtl_g import IMTLG
from sennit.tasks.balancing.mgda import MGDA
from sennit.tasks.balancing.nash_mtl import NashMTL
from sennit.tasks.balancing.pcgrad import PCGrad
from sennit.tasks.balancing.upgrad import UPGrad

__all__ = [
    "IMTLG",
    "MGDA",
    "AlignedMTL",
    "Balancing",
    "CAGrad",
    "Debiasing",
    "GradVac",
    "Level",
    "NashMTL",
    "PCGrad",
    "UPGrad",
    "create_balancing",
    "list_balancings",
    "register_balancing",
]
