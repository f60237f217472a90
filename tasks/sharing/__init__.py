"""Sharings: which parameters the tasks have in common."""

from tasks.sharing._base import Sharing, create_sharing, list_sharings, register_sharing
from tasks.sharing.cross_stitch import CrossStitch, StitchUnit
from tasks.sharing.hard import Hard
from tasks.sharing.segments import Segments

__all__ = [
    "CrossStitch",
    "Hard",
    "Segments",
    "Sharing",
    "StitchUnit",
    "create_sharing",
    "list_sharings",
    "register_sharing",
]
