"""What every balancing is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry, unknown_name

Level = Literal["features", "parameters"]
"""From which gradients the Gramian is taken."""

LEVELS: tuple[Level, ...] = get_args(Level)


class Balancing(Configurable, nn.Module):
    """Weighs what the shared parameters receive from each task, from the tasks' gradients.

    A subclass defines `weights`. Each head, and whatever else one active task alone reaches, always gets its
    own task's gradient, unweighted, so a negative weight never makes a head ascend.

    Args:
        level: From which gradients the Gramian is taken: ``"features"``, those at the boundary where the
            tasks part, at little cost; ``"parameters"``, those of the shared parameters, exactly.

    Raises:
        ValueError: An unknown level; close matches are named.
    """

    def __init__(self, *, level: Level = "features") -> None:
        super().__init__()
        if level not in LEVELS:
            raise unknown_name("level of the gradients", level, LEVELS)
        self.level = level

    def bind(self, tasks: Sequence[str]) -> None:
        """Make what the rule keeps for each task, when the learner is built."""

    def weights(self, gramian: Tensor) -> Tensor:
        """The weight of each active task's gradient.

        Args:
            gramian: Inner products of the active tasks' gradients.

        Shape:
            ``[T, T]`` to ``[T]``.
        """
        raise NotImplementedError

    def weights_of(self, gramian: Tensor, active: Sequence[bool]) -> Tensor:
        """`weights`, told which of the bound tasks are active, for a rule that keeps something for each.

        Shape:
            gramian ``[T, T]`` of the active ones of ``K`` tasks; result ``[T]``.
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
    """Names of the balancings that match a shell pattern."""
    return BALANCINGS.list(pattern)
