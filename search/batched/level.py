"""The cells of one level of all candidates."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from sennit.search.batched.combine_level import CombineLevel


class Level(NamedTuple):
    """The cells of one level.

    Attributes:
        combine: Combination of their inputs.
        read: Positions of the states that they read, for each row; None for the first level.
        skipped: Positions of the states that are added; None when none is.
        skip: Which of the cells they are added to.
        keep: Units within the width of each candidate; None when all are of one width.
    """

    combine: CombineLevel
    read: Tensor | None
    skipped: Tensor | None
    skip: Tensor
    keep: Tensor | None
