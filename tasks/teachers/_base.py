"""The base class of teachers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Self

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry, check_part
from sennit.tasks.model.network import Network

_Place = tuple[dict[str, Any], dict[str, Any], str]


class Teacher(Configurable, nn.Module):
    """A second network beside the model, in the learner and not in the model.

    It is always in evaluation mode: norms use their running statistics, nothing is dropped, and no modality
    is hidden beyond those that are hidden from the student. Its parameters take no gradient, no optimizer and
    no other average moves them; those that the model does not train are shared with it. Checkpoints hold it,
    a saved model does not.

    Attributes:
        network: The teacher's network, once it is bound.
    """

    network: Network

    def __init__(self) -> None:
        super().__init__()
        self._beside: tuple[Network, list[_Place]] | None = None

    def bind(self, model: Network) -> None:
        """Make the network, when the learner is built; here as a copy of the model."""
        frozen: dict[int, Any] = {id(p): p for p in model.parameters() if not p.requires_grad}
        self.hold(copy.deepcopy(model, frozen))

    def hold(self, network: Network) -> None:
        """Make a network the teacher's."""
        self.network = network.requires_grad_(False)
        network.subsets.complete = True  # the model's record of what it was trained on is enough
        self.eval()

    def after_step(self, model: Network) -> None:
        """Follow the model after an optimizer step."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        return super().train(False)

    def followed(self, model: Network) -> list[tuple[Tensor, Tensor]]:
        """Return the teacher's tensors beside the model's, without those that they share.

        A tensor with several names appears once. Modules may replace their tensors at any time, as a move to
        another device does, so that the places are remembered and not the tensors.
        """
        if self._beside is None or self._beside[0] is not model:
            self._beside = model, list(_places(self.network, model))
        pairs = [(mine[name], theirs[name]) for mine, theirs, name in self._beside[1]]
        return [(x, y) for x, y in pairs if x is not y]

    def __getstate__(self) -> dict[str, Any]:
        # A copy of the teacher alone would bring a copy of the model along.
        return {**self.__dict__, "_beside": None}


def _places(network: Network, model: Network) -> Iterator[_Place]:
    """Yield the places of the saved tensors of a network and of the model that it is a copy of."""
    seen: set[int] = set()
    for mine, theirs in zip(network.modules(), model.modules(), strict=True):
        for name, x in (*mine._parameters.items(), *mine._buffers.items()):
            if x is None or id(x) in seen or name in mine._non_persistent_buffers_set:
                continue
            seen.add(id(x))
            kind = "_parameters" if name in mine._parameters else "_buffers"
            yield getattr(mine, kind), getattr(theirs, kind), name


def bind_teacher(teacher: Teacher | None, model: Network) -> None:
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
