"""What every operator of a cell is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from sennit.registry import Registry

Activation = Callable[[Tensor], Tensor]


class Operator(ABC):
    """Combines the inputs of a cell, each of which has passed a linear map of its own.

    All parameters of a cell are in those maps ``u_k = W_k x_k + b_k``, ``blocks`` times as wide as the
    state. So one formula serves a single net and a whole generation side by side. With one input, every
    operator is ``σ(u)``, up to a linear map of the blocks.

    Attributes:
        blocks: Vectors of the state's width that are made of each input.
    """

    blocks: ClassVar[int] = 1

    @abstractmethod
    def combine(
        self, u: Sequence[Tensor], there: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        """The state.

        Args:
            u: The mapped inputs, of which each tensor holds one or more; zeros in the place of an input
                that the cell does not have.
            there: Which inputs the cell has; None for all.
            act: σ, element by element, for tensors whose last axes are those of the result.
            width: Of the state, without padding.

        Shape:
            u ``[K_i, ..., blocks, W]`` each, K in all, there ``[K, ...]`` and width ``[...]`` with axes
            of size 1, result ``[..., W]``.
        """


OPERATORS: Registry[Operator] = Registry("operator")
register_operator = OPERATORS.register


def create_operator(name: str) -> Operator:
    """Make an operator by name: ``create_operator("hadamard")``."""
    return OPERATORS.create(name)


def list_operators(pattern: str = "*") -> list[str]:
    """Names of the operators that match a shell pattern, the plain concatenation first."""
    return sorted(OPERATORS.list(pattern), key=lambda name: (name != "concat", name))


def joined(u: Sequence[Tensor]) -> Tensor:
    """All inputs in one tensor."""
    return torch.cat(list(u)) if len(u) > 1 else u[0]
