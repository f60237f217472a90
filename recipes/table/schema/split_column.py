"""A split that a column of the table declares."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from sennit.recipes.media_files import subset_of
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.split_base import (
    SUBSETS,
    Split,
    Subsets,
    check_groups,
    check_shares,
    draw,
    group_texts,
    joined,
)


@dataclass(frozen=True, kw_only=True)
class ColumnSplit(Split):
    """A split that a column declares.

    Args:
        column: Column that holds train, validation or test (or training, valid, val, dev, testing).
        group: Column, such as that of speakers, of which no value may be in two subsets.
        validation: Share of the training rows, or of their groups, to draw for the validation where the
            column names none.
        seed: Random seed of that draw.
    """

    by: ClassVar[str] = "column"
    draws = False
    column: str
    group: str | None = None
    validation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_shares(self.validation, 0.0)

    @property
    def column_names(self) -> list[str]:
        return [self.column, *([self.group] if self.group else [])]

    def assign(
        self, rows: Rows, strata: Sequence[Hashable] = (), units: Sequence[Hashable] | None = None
    ) -> Subsets:
        subsets: Subsets = {subset: [] for subset in SUBSETS}
        for i, text in enumerate(rows.texts(self.column)):
            subset = subset_of(text or "")
            if subset is None:
                problem = f"should be train, validation or test. Found '{text or ''}'."
                raise rows.fault(i, self.column, problem)
            subsets[subset].append(i)
        if self.group:
            check_groups(rows, self.group, subsets, f"Fix column '{self.column}', or split by group.")
        if self.validation and not subsets["validation"]:
            self._draw_validation(rows, strata, units, subsets)
        return subsets

    def _draw_validation(
        self, rows: Rows, strata: Sequence[Hashable], units: Sequence[Hashable] | None, subsets: Subsets
    ) -> None:
        """Move a share of the training rows to the validation."""
        train = subsets["train"]
        keys: Sequence[Hashable] = range(len(rows)) if units is None else units
        if self.group:
            keys, strata = joined(group_texts(rows, self.group), units), ()
        drawn = draw(
            [keys[i] for i in train],
            [strata[i] for i in train] if strata else (),
            validation=self.validation,
            test=0.0,
            seed=self.seed,
        )
        subsets["train"] = [train[k] for k in drawn["train"]]
        subsets["validation"] = [train[k] for k in drawn["validation"]]
