"""Base class of the readings of a cell, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn

from sennit.registry import Registry


class Reading(nn.Module, ABC):
    """Reduces the places of a tap (of space, or of time) to one vector, with parameters of its own.

    The formula is of stacked parameters, so that it serves a single cell and a whole generation.

    Args:
        dim: Size of the vector at each place.
    """

    registry_name: ClassVar[str]

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @staticmethod
    @abstractmethod
    def read(x: Tensor, valid: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return a vector for each of N sets of parameters; a row without a valid place gives what zeros do.

        Shape:
            x ``[B, P, d]``, zero where not valid, valid ``[B, P]``, parameters ``[N, ...]``, result
            ``[N, B, d]``.
        """

    @staticmethod
    @abstractmethod
    def flops(dim: int) -> int:
        """Return the number of floating-point operations at each place."""

    def forward(self, places: Tensor) -> Tensor:
        """Return the vector.

        Shape:
            places ``[B, P, d + 1]`` as `places` returns them, result ``[B, d]``.
        """
        parameters = {name: p.unsqueeze(0) for name, p in self.named_parameters(recurse=False)}
        return self.read(places[..., :-1], places[..., -1] > 0, parameters)[0]


READINGS: Registry[Reading] = Registry("reading")
register_reading = READINGS.register


def create_reading(name: str, dim: int) -> Reading:
    """Make a reading by name: ``create_reading("attention", 64)``."""
    return READINGS.create(name, dim)


def list_readings(pattern: str = "*") -> list[str]:
    """Return the names of the readings that match a shell pattern."""
    return READINGS.list(pattern)


def split_reading(tap: str) -> tuple[str, str | None]:
    """Return the name of a tap and of its reading; None where it is pooled.

    Example:
        >>> split_reading("stage3:attention"), split_reading("stage3")
        (('stage3', 'attention'), ('stage3', None))
    """
    name, colon, reading = tap.rpartition(":")
    return (name, reading) if colon and reading in list_readings() else (tap, None)


def source_of(tap: str) -> str:
    """Return the name of the array that a tap is read from.

    Example:
        >>> source_of("stage3:attention"), source_of("stage3")
        ('stage3:places', 'stage3')
    """
    name, reading = split_reading(tap)
    return name if reading is None else f"{name}:places"
