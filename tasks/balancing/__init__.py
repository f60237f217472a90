"""Balancings: weigh what shared parameters receive, from the tasks' gradients."""

from tasks.balancing._base import Balancing, Level, create_balancing, list_balancings, register_balancing
from tasks.balancing.aligned_mtl import AlignedMTL
from tasks.balancing.cagrad import CAGrad
from tasks.balancing.gradvac import GradVac
from tasks.balancing.imtl_g import IMTLG
from tasks.balancing.mgda import MGDA
from tasks.balancing.nash_mtl import NashMTL
from tasks.balancing.pcgrad import PCGrad
from tasks.balancing.upgrad import UPGrad

__all__ = [
    "IMTLG",
    "MGDA",
    "AlignedMTL",
    "Balancing",
    "CAGrad",
    "GradVac",
    "Level",
    "NashMTL",
    "PCGrad",
    "UPGrad",
    "create_balancing",
    "list_balancings",
    "register_balancing",
]
