"""What every weighting is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from encoders._registry import Configurable, Registry
from tasks._base import Task


class Weighting(Configurable, nn.Module):
    """Turns the losses of the tasks into one: ``(losses [K], active [K]) -> scalar``.

    ``active`` says which tasks have a label in the batch. An inactive task's loss is zero and must
    neither count nor move anything.

    Attributes:
        second_look: Whether `after_step` wants the losses of the same batch after the step.
    """

    second_look: ClassVar[bool] = False
    forward: Callable[..., Tensor]

    def bind(self, tasks: Mapping[str, Task]) -> None:
        """Make the parameters, when the model is built."""

    def after_step(self, losses: Tensor, active: Sequence[bool]) -> None:
        """Look at the losses ``[K]`` of the same batch after the optimizer's step."""


WEIGHTINGS: Registry[Weighting] = Registry("weighting")
register_weighting = WEIGHTINGS.register


def create_weighting(name: str, **options: Any) -> Weighting:
    """Make a weighting by name: ``create_weighting("uncertainty")``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return WEIGHTINGS.create(name, **options)


def list_weightings(pattern: str = "*") -> list[str]:
    """Names of the weightings that match a shell pattern."""
    return WEIGHTINGS.list(pattern)
