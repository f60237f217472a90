"""The base class of balancings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry, unknown_name

Level = Literal["features", "parameters"]
"""The gradients from which the Gramian is taken."""

LEVELS: tuple[Level, ...] = get_args(Level)


class Balancing(Configurable, nn.Module):
    """Weighs the gradients that shared parameters receive from the tasks, by their Gramian.

    A subclass defines `weights`. Each head, like every parameter that one active task alone reaches, always
    gets its task's gradient unweighted, so that a negative weight never makes a head ascend.

    Args:
        level: Gradients from which the Gramian is taken: ``"features"``, those at the boundary where the
            tasks part, at little cost; ``"parameters"``, those of the shared parameters, exactly.

    Attributes:
        includes: Tasks that are not ``weighted`` and that the balancing weighs all the same, such as the
            adversaries of `Debiasing`.

    Raises:
        ValueError: An unknown level; close matches are named.
    """

    includes: tuple[str, ...] = ()

    def __init__(self, *, level: Level = "features") -> None:
        super().__init__()
        if level not in LEVELS:
            raise unknown_name("level of the gradients", level, LEVELS)
        self.level = level

    def sees(self, name: str, *, weighted: bool) -> bool:
        """Return whether the balancing weighs a task's gradient."""
        return weighted or name in self.includes

    def bind(self, tasks: Sequence[str]) -> None:
        """Make the state that the rule keeps for each task, when the learner is built."""

    def weights(self, gramian: Tensor) -> Tensor:
        """Return the weight of each active task's gradient.

        Args:
            gramian: Inner products of the active tasks' gradients.

        Shape:
            ``[T, T]`` to ``[T]``.
        """
        raise NotImplementedError

    def weights_of(self, gramian: Tensor, active: Sequence[bool]) -> Tensor:
        """Return `weights`, given which of the bound tasks are active, for a rule with a state for each task.

        Shape:
            gramian ``[T, T]`` of the active tasks, active ``K`` bools of all, result ``[T]``.
        """
        return self.weights(gramian)


BALANCINGS: Registry[Balancing] = Registry("balancing")
register_balancing = BALANCINGS.register


def create_balancing(name: str, **options: Any) -> Balancing:
    """Make a balancing by name: ``create_balancing("pcgrad", level="parameters")``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return BALANCINGS.create(name, **options)


def list_balancings(pattern: str = "*") -> list[str]:
    """Return the names of the balancings that match a shell pattern."""
    return BALANCINGS.list(pattern)
