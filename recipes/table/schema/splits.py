"""The split of the rows: which train, which choose the epoch, and which test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sennit.recipes.media_files import subset_of
from sennit.recipes.table.reading.rows import Rows

SUBSETS = ("train", "validation", "test")


class Split(ABC):
    """Base of the kinds of split.

    Attributes:
        by: Name of the kind in a schema.
        column_names: Columns that it reads.
    """

    by: ClassVar[str]

    @property
    def column_names(self) -> list[str]:
        return []

    @abstractmethod
    def assign(self, rows: Rows, strata: Sequence[Hashable] = ()) -> dict[str, list[int]]:
        """Return the positions of each subset's rows, counted from 0.

        Args:
            rows: Table.
            strata: Class of each row, whose shares a draw of single rows keeps in every subset.

        Raises:
            BadCell: A cell does not name a subset or a group, or a group is in two subsets.
            ValueError: There are too few rows or groups.
        """


@dataclass(frozen=True, kw_only=True)
class ColumnSplit(Split):
    """A split that a column declares.

    Args:
        column: Column that holds train, validation or test (or training, valid, val, dev, testing).
        group: Column, such as that of speakers, of which no value may be in two subsets.
    """

    by: ClassVar[str] = "column"
    column: str
    group: str | None = None

    @property
    def column_names(self) -> list[str]:
        return [self.column, *([self.group] if self.group else [])]

    def assign(self, rows: Rows, strata: Sequence[Hashable] = ()) -> dict[str, list[int]]:
        subsets: dict[str, list[int]] = {subset: [] for subset in SUBSETS}
        groups = rows.texts(self.group) if self.group else [None] * len(rows)
        first: dict[str, tuple[str, int]] = {}
        for i, (text, group) in enumerate(zip(rows.texts(self.column), groups, strict=True)):
            subset = subset_of(text or "")
            if subset is None:
                problem = f"should be train, validation or test. Found '{text or ''}'."
                raise rows.fault(i, self.column, problem)
            subsets[subset].append(i)
            if self.group and group is not None:
                other, earlier = first.setdefault(group, (subset, i))
                if other != subset:
                    raise rows.fault(
                        i,
                        self.group,
                        f"should be in one subset. Found '{group}' in {subset} here and in {other} in row "
                        f"{rows.row_numbers[earlier]}. Fix column '{self.column}', or split by group.",
                    )
        return subsets


@dataclass(frozen=True, kw_only=True)
class _DrawnSplit(Split):
    """A split at random.

    Args:
        validation: Share of the validation subset.
        test: Share of the test subset.
        seed: Random seed.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise ValueError(
                f"`validation` and `test` should be 0 or more and leave something to train on. Found "
                f"{self.validation} and {self.test}."
            )

    def _draw(self, units: Sequence[Hashable], strata: Sequence[Hashable] = ()) -> dict[str, list[int]]:
        """Draw whole units, of which rows may share one, stratum by stratum where each row is a unit."""
        names = list(dict.fromkeys(units))
        sizes = [self.test and max(1, round(self.test * len(names)))]
        sizes.append(self.validation and max(1, round(self.validation * len(names))))
        if sum(sizes) >= len(names):
            raise ValueError(
                f"a split into three subsets needs more than {sum(sizes)} rows or groups. Found {len(names)}."
            )
        order = np.random.default_rng(self.seed).permutation(len(names))
        if strata:
            order = _stratified(order, strata)
        ends = np.cumsum([0, *sizes, len(names)]).clip(max=len(names))
        subset_of: dict[Hashable, str] = {}
        for subset, start, end in zip(("test", "validation", "train"), ends[:-1], ends[1:], strict=True):
            subset_of |= {names[k]: subset for k in order[int(start) : int(end)]}
        return {
            subset: [i for i, unit in enumerate(units) if subset_of[unit] == subset] for subset in SUBSETS
        }


@dataclass(frozen=True, kw_only=True)
class RandomSplit(_DrawnSplit):
    """A split of single rows at random, with the same share of each class in every subset.

    The last rows of a class are trained on, so that a class of a single row is.

    Args:
        validation: Share of the validation rows.
        test: Share of the test rows.
        seed: Random seed.
    """

    by: ClassVar[str] = "random"

    def assign(self, rows: Rows, strata: Sequence[Hashable] = ()) -> dict[str, list[int]]:
        return self._draw(range(len(rows)), strata)


@dataclass(frozen=True, kw_only=True)
class GroupSplit(_DrawnSplit):
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

    def assign(self, rows: Rows, strata: Sequence[Hashable] = ()) -> dict[str, list[int]]:
        groups = rows.texts(self.column)
        if None in groups:
            raise rows.fault(
                groups.index(None),
                self.column,
                "should name a group. Found a blank cell. Name one, or split by random.",
            )
        return self._draw(groups)


def _stratified(order: np.ndarray, strata: Sequence[Hashable]) -> np.ndarray:
    """Return positions in an order whose every beginning has about the same share of each stratum."""
    sizes, seen = Counter(strata), Counter[Hashable]()
    shares = []
    for i in order:
        seen[strata[i]] += 1
        shares.append(seen[strata[i]] / sizes[strata[i]])
    return order[np.argsort(shares, kind="stable")]


SPLITS: dict[str, type[Split]] = {cls.by: cls for cls in (ColumnSplit, GroupSplit, RandomSplit)}
