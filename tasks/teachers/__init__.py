"""Teachers: second networks that follow a model in training, for tasks that learn from their outputs."""

from sennit.tasks.teachers._base import (
    Teacher,
    check_teacher,
    create_teacher,
    list_teachers,
    register_teacher,
)
from sennit.tasks.teachers.ema import EMA

__all__ = ["EMA", "Teacher", "check_teacher", "create_teacher", "list_teachers", "register_teacher"]
