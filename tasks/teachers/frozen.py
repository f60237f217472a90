"""A teacher that stays what the model was."""

from __future__ import annotations

from sennit.tasks.teachers._base import Teacher, register_teacher


@register_teacher("frozen")
class Frozen(Teacher):
    """The model as it is when the learner is built, which then stays.

    Give the learner a trained model, whose answers should not be forgotten while it learns from other data or
    other tasks. Source: Li & Hoiem 2016, "Learning without Forgetting" (§3), with a copy of the whole model
    in place of recorded outputs.
    """
