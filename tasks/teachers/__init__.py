"""Teachers: second networks that follow a model in training, for tasks that learn from their outputs."""

from sennit.tasks.teachers._base import (
    Teacher,
    bind_teacher,
    create_teacher,
    list_teachers,
    register_teacher,
)
from sennit.tasks.teachers.ema import EMA
from sennit.tasks.teachers.frozen import Frozen
from sennit.tasks.teachers.snapshot import Snapshot

__all__ = [
    "EMA",
    "Frozen",
    "Snapshot",
    "Teacher",
    "bind_teacher",
    "create_teacher",
    "list_teachers",
    "register_teacher",
]
