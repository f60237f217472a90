"""The base of every pooling over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry


class Pooling(Configurable, nn.Module):
    """Turns the frames of a sequence into one vector; values in the padding reach nothing.

    A row without one valid frame stays finite, values and gradients.

    Attributes:
        out_dim: Size of the vector.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]`` (True = valid) or None, result ``[B, out_dim]``.
    """

    out_dim: int
    forward: Callable[..., Tensor]


POOLINGS: Registry[Pooling] = Registry("pooling")
register_pooling = POOLINGS.register


def create_pooling(name: str, dim: int, **options: Any) -> Pooling:
    """Make a pooling by name: ``create_pooling("statistics", 1500)``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return POOLINGS.create(name, dim, **options)


def list_poolings(pattern: str = "*") -> list[str]:
    """Return the names of the poolings that match a shell pattern."""
    return POOLINGS.list(pattern)
