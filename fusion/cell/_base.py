"""Base class of the operators of a cell, and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor

from sennit.registry import Registry

Activation = Callable[[Tensor], Tensor]


class Operator(ABC):
    """Combines the inputs of a cell, each of which has passed a linear map of its own.

    All parameters of a cell are in those maps ``u_k = W_k x_k + b_k``, ``blocks`` times as wide as the
    state. So one formula serves a single network and a whole generation side by side. With one input,
    every operator is ``σ(u)``, up to a linear map of the blocks.

    Attributes:
        blocks: Number of vectors of the state's width to which each input is mapped.
    """

    blocks: ClassVar[int] = 1

    @abstractmethod
    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        """Return the state.

        Args:
            u: Mapped inputs, one or more in each tensor; zeros where the cell does not have an input.
            mask: Mask of the inputs that the cell has; None for all.
            act: Activation σ, elementwise, of tensors whose last axes are those of the result.
            width: Width of the state, without padding.

        Shape:
            u ``[K_i, ..., blocks, W]`` each, K in all, mask ``[K, ...]`` and width ``[...]`` with axes
            of size 1, result ``[..., W]``.
        """


OPERATORS: Registry[Operator] = Registry("operator")
register_operator = OPERATORS.register


def create_operator(name: str) -> Operator:
    """Make an operator by name: ``create_operator("hadamard")``."""
    return OPERATORS.create(name)


def list_operators(pattern: str = "*") -> list[str]:
    """Return the names of the operators that match a shell pattern, the plain concatenation first."""
    return sorted(OPERATORS.list(pattern), key=lambda name: (name != "concat", name))
