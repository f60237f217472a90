"""Meanings of the tokens of an encoder in its input: the targets of masked tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class TokenTargetInfo:
    """The kind of what a token stands for.

    Args:
        kind: ``"values"`` (frames, patches, a column's number) or ``"classes"`` (ids).
        dim: Number of values of a token, or number of classes.
    """

    kind: Literal["values", "classes"]
    dim: int


class TokenUnits(ABC):
    """The parts of an input for which the tokens of an encoder stand, one for each token.

    Attributes:
        info: Kind of these parts.
    """

    info: TokenTargetInfo

    @abstractmethod
    def targets(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return what each token stands for, and which tokens have such a target.

        Shape:
            x ``[B, ...]`` with zeros in the padding, mask ``[B, T']``; values ``[B, T, dim]`` or classes
            ``[B, T]``, mask ``[B, T]``.
        """

    @abstractmethod
    def hide(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return the input without what the hidden tokens stand for.

        Shape:
            x ``[B, ...]``, hidden ``[B, T]``, result as x.
        """
