"""Splits at random: of single rows, and of whole groups."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.split_base import DrawnSplit, Subsets, group_texts, joined


@dataclass(frozen=True, kw_only=True)
class RandomSplit(DrawnSplit):
    """A split of single rows at random, with the same share of each class in every subset.

    The last rows of a class are trained on, so that a class of a single row is.

    Args:
        validation: Share of the validation rows.
        test: Share of the test rows.
        seed: Random seed.
    """

    by: ClassVar[str] = "random"

    def assign(
        self, rows: Rows, strata: Sequence[Hashable] = (), units: Sequence[Hashable] | None = None
    ) -> Subsets:
        return self.draw(range(len(rows)) if units is None else units, strata)


@dataclass(frozen=True, kw_only=True)
class GroupSplit(DrawnSplit):
    """A split of whole groups at random, so that none is in two subsets.

    Args:
        column: Column of the groups.
        validation: Share of the validation groups.
        test: Share of the test groups.
        seed: Random seed.
    """

    by: ClassVar[str] = "group"
    column: str

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def assign(
        self, rows: Rows, strata: Sequence[Hashable] = (), units: Sequence[Hashable] | None = None
    ) -> Subsets:
        return self.draw(joined(group_texts(rows, self.column), units))
