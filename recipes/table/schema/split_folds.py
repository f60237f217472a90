"""Folds, one of which tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.split_base import (
    Split,
    Subsets,
    check_groups,
    group_texts,
    joined,
    strata_of,
)


@dataclass(frozen=True, kw_only=True)
class FoldSplit(Split):
    """Folds, one of which tests; the next one chooses the epoch, and the others are trained on.

    The folds are those of a column, in order, or drawn: with the same share of each class in each, or of
    whole groups of about the same number of rows.

    Args:
        column: Column of the folds' names; None to draw them.
        group: Column of which no value may be in two folds.
        folds: Number of folds to draw.
        fold: Fold that tests, counted from 0.
        seed: Random seed of the draw.
    """

    by: ClassVar[str] = "folds"
    column: str | None = None
    group: str | None = None
    folds: int = 5
    fold: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 3:
            raise ValueError(
                f"`folds` should be 3 or more: to train on, to choose the epoch by, to test with. Found "
                f"{self.folds}."
            )
        if self.fold < 0 or (self.column is None and self.fold >= self.folds):
            raise ValueError(f"`fold` should be from 0 to {self.folds - 1}. Found {self.fold}.")

    @property
    def draws(self) -> bool:  # type: ignore[override]
        """Whether it draws the folds."""
        return self.column is None

    @property
    def column_names(self) -> list[str]:
        return [name for name in (self.column, self.group) if name is not None]

    def assign(
        self, rows: Rows, strata: Sequence[Hashable] = (), units: Sequence[Hashable] | None = None
    ) -> Subsets:
        folds, count = self._folds(rows, strata, units)
        if count < 3 or self.fold >= count:
            raise ValueError(
                f"a split by folds needs three folds or more, and `fold` one of them, counted from 0. Found "
                f"{count} folds, and fold {self.fold}."
            )
        chosen = {"validation": (self.fold + 1) % count, "test": self.fold}
        subsets: Subsets = {
            "train": [i for i, k in enumerate(folds) if k not in chosen.values()],
            **{name: [i for i, k in enumerate(folds) if k == fold] for name, fold in chosen.items()},
        }
        if self.column is not None and self.group:
            check_groups(rows, self.group, subsets, f"Fix column '{self.column}', or draw folds by group.")
        return subsets

    def _folds(
        self, rows: Rows, strata: Sequence[Hashable], units: Sequence[Hashable] | None
    ) -> tuple[Sequence[int], int]:
        """Return the fold of each row, and the number of folds."""
        if self.column is not None:
            names = rows.names(self.column)
            texts = rows.names_of(self.column)
            if None in texts:
                raise rows.fault(texts.index(None), self.column, "should name a fold. Found a blank cell.")
            return [names.index(str(text)) for text in texts], len(names)
        if self.group:
            units, strata = joined(group_texts(rows, self.group), units), ()
        keys: Sequence[Hashable] = range(len(rows)) if units is None else units
        sizes = Counter(keys)
        kinds = strata_of(keys, strata) if strata else [0] * len(sizes)
        order = np.random.default_rng(self.seed).permutation(len(sizes))
        names_of_units, filled = list(sizes), [0] * self.folds
        taken: Counter[tuple[Hashable, int]] = Counter()
        fold_of: dict[Hashable, int] = {}
        # The largest first, each into the fold with the fewest of its class, then with the fewest rows.
        for k in sorted(order, key=lambda k: -sizes[names_of_units[k]]):
            unit, kind = names_of_units[k], kinds[k]
            fold = min(range(self.folds), key=lambda f: (taken[kind, f] if strata else 0, filled[f], f))
            fold_of[unit] = fold
            taken[kind, fold] += sizes[unit]
            filled[fold] += sizes[unit]
        return [fold_of[key] for key in keys], len(set(fold_of.values()))
