"""What every balancing is."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from encoders._registry import Configurable, Registry


class Balancing(Configurable, nn.Module):
    """Weighs what the shared parameters receive from each task, from the tasks' gradients.

    A subclass defines `weights`. Each head always gets its own task's gradient, unweighted, so a
    negative weight never makes a head ascend.
    """

    def weights(self, gramian: Tensor) -> Tensor:
        """The weight of each active task's gradient.

        Args:
            gramian: Inner products of the active tasks' gradients.

        Shape:
            ``[T, T]`` to ``[T]``.
        """
        raise NotImplementedError


BALANCINGS: Registry[Balancing] = Registry("balancing")
register_balancing = BALANCINGS.register


def create_balancing(name: str, **options: Any) -> Balancing:
    """Make a balancing by name: ``create_balancing("pcgrad")``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return BALANCINGS.create(name, **options)


def list_balancings(pattern: str = "*") -> list[str]:
    """Names of the balancings that match a shell pattern."""
    return BALANCINGS.list(pattern)
