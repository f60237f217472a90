"""The base class of teachers."""

from __future__ import annotations

import copy
from typing import Any, Self

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry, check_part
from sennit.tasks.model.network import Network


class Teacher(Configurable, nn.Module):
    """A second network that follows the model, in the learner and not in the model.

    It is always in evaluation mode: norms use their running statistics, nothing is dropped, and no modality
    is hidden beyond those that are hidden from the student. Its parameters take no gradient; those that the
    model does not train are shared with it. Checkpoints hold it, a saved model does not.

    Attributes:
        network: The teacher's network, once it is bound.
    """

    network: Network

    def bind(self, model: Network) -> None:
        """Make the network from the model, when the learner is built."""
        frozen: dict[int, Any] = {id(p): p for p in model.parameters() if not p.requires_grad}
        self.network = copy.deepcopy(model, frozen).requires_grad_(False)
        self.eval()

    def after_step(self, model: Network) -> None:
        """Follow the model after an optimizer step."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    def followed(self, model: Network) -> list[tuple[Tensor, Tensor]]:
        """Return the teacher's tensors beside the model's, without those that they share."""
        mine, theirs = self.network.state_dict(), model.state_dict()
        return [(x, theirs[name]) for name, x in mine.items() if x.data_ptr() != theirs[name].data_ptr()]


def check_teacher(teacher: Teacher | None, model: Network) -> None:
    """Bind a teacher to its model, and refuse tasks that lack one.

    Raises:
        TypeError: Something other than a teacher.
        ValueError: A task needs a teacher and there is none; it is named.
    """
    if teacher is not None:
        check_part("teacher", teacher, Teacher)
        teacher.bind(model)
        return
    needing = [name for name, task in model.tasks.items() if task.needs_teacher]
    if needing:
        raise ValueError(
            f"the learner of {needing} should have a teacher. Found none. Give "
            f"teacher=create_teacher('ema', decay=0.99)."
        )


TEACHERS: Registry[Teacher] = Registry("teacher")
register_teacher = TEACHERS.register


def create_teacher(name: str, **options: Any) -> Teacher:
    """Make a teacher by name: ``create_teacher("ema", decay=0.99)``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return TEACHERS.create(name, **options)


def list_teachers(pattern: str = "*") -> list[str]:
    """Return the names of the teachers that match a shell pattern."""
    return TEACHERS.list(pattern)
