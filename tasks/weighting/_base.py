"""The base class of weightings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry
from sennit.tasks._base import Task


class Weighting(Configurable, nn.Module):
    """Turns the losses of the tasks into one: ``(losses [K], active [K]) -> scalar``.

    ``active`` says which tasks have a label in the batch. An inactive task's loss is zero; it must neither
    count nor change any state. A weighting's state changes in training mode only.

    Attributes:
        recheck: Whether `after_step` needs the losses of the same batch after the optimizer's step.
        keeps_gradient_scale: Whether a task's `gradient_scale` stays what it is under the weighting.
        reads_boundary: Whether `at_boundary` needs the features that the heads of each task read.
    """

    recheck: ClassVar[bool] = False
    keeps_gradient_scale: ClassVar[bool] = True
    reads_boundary: ClassVar[bool] = False
    forward: Callable[..., Tensor]

    def bind(self, tasks: Mapping[str, Task]) -> None:
        """Make the parameters and buffers, when the model is built."""

    def at_boundary(
        self, losses: Tensor, active: Sequence[bool], features: Sequence[Sequence[Tensor]]
    ) -> None:
        """Read the features from which the heads made the losses, after these are weighted.

        Called in training only, with the graph from the features to the losses.

        Args:
            losses: Loss of each task.
            active: Flag of each task: whether it has a label in the batch.
            features: Tensors that the heads of each task read; none for an inactive task.

        Shape:
            losses ``[K]``, active ``K`` bools, features ``K`` lists.
        """

    def on_epoch_start(self, epoch: int) -> None:
        """Begin a new epoch of training; not called where a run resumes within an epoch."""

    def after_step(self, losses: Tensor, active: Sequence[bool]) -> None:
        """Read the losses ``[K]`` of the same batch after the optimizer's step."""


WEIGHTINGS: Registry[Weighting] = Registry("weighting")
register_weighting = WEIGHTINGS.register


def create_weighting(name: str, **options: Any) -> Weighting:
    """Make a weighting by name: ``create_weighting("uncertainty")``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return WEIGHTINGS.create(name, **options)


def list_weightings(pattern: str = "*") -> list[str]:
    """Return the names of the weightings that match a shell pattern."""
    return WEIGHTINGS.list(pattern)
