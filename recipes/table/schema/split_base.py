"""The base of the kinds of split, and the drawing of whole units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sennit.recipes.table.reading.rows import Rows

SUBSETS = ("train", "validation", "test")
Subsets = dict[str, list[int]]


class Split(ABC):
    """Base of the kinds of split.

    Attributes:
        by: Name of the kind in a schema.
        draws: Whether it draws rows, so that copies of a row can be kept together.
        column_names: Columns that it reads.
    """

    by: ClassVar[str]
    draws: bool = True

    @property
    def column_names(self) -> list[str]:
        return []

    @abstractmethod
    def assign(
        self, rows: Rows, strata: Sequence[Hashable] = (), units: Sequence[Hashable] | None = None
    ) -> Subsets:
        """Return the positions of each subset's rows, counted from 0.

        Args:
            rows: Table.
            strata: Class of each row, whose shares a draw of single rows keeps in every subset.
            units: Unit of each row; rows of one, such as copies, are drawn together. Each its own by default.

        Raises:
            BadCell: A cell does not name a subset or a group, or a group is in two subsets.
            ValueError: There are too few rows or groups.
        """


@dataclass(frozen=True, kw_only=True)
class DrawnSplit(Split):
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
        check_shares(self.validation, self.test)

    def draw(self, units: Sequence[Hashable], strata: Sequence[Hashable] = ()) -> Subsets:
        """Draw whole units, of which rows may share one, stratum by stratum where there are strata."""
        return draw(units, strata, validation=self.validation, test=self.test, seed=self.seed)


def check_shares(validation: float, test: float) -> None:
    """Refuse shares below 0, and such that leave nothing to train on.

    Raises:
        ValueError: They do.
    """
    if min(validation, test) < 0 or validation + test >= 1:
        raise ValueError(
            f"`validation` and `test` should be 0 or more and leave something to train on. Found "
            f"{validation} and {test}."
        )


def draw(
    units: Sequence[Hashable], strata: Sequence[Hashable], *, validation: float, test: float, seed: int
) -> Subsets:
    """Return the rows of each subset, whole units of which are drawn.

    Args:
        units: Unit of each row.
        strata: Stratum of each row; the first row's counts for a unit.
        validation: Share of the validation units.
        test: Share of the test units.
        seed: Random seed.

    Raises:
        ValueError: There are too few units.
    """
    names = list(dict.fromkeys(units))
    sizes = [test and max(1, round(test * len(names)))]
    sizes.append(validation and max(1, round(validation * len(names))))
    if sum(sizes) >= len(names):
        raise ValueError(
            f"a split into three subsets needs more than {sum(sizes)} rows or groups. Found {len(names)}. "
            f"Give more, or smaller shares `validation` and `test`."
        )
    order = np.random.default_rng(seed).permutation(len(names))
    if strata:
        order = _stratified(order, strata_of(units, strata))
    ends = np.cumsum([0, *sizes, len(names)]).clip(max=len(names))
    subset_of: dict[Hashable, str] = {}
    for subset, start, end in zip(("test", "validation", "train"), ends[:-1], ends[1:], strict=True):
        subset_of |= {names[k]: subset for k in order[int(start) : int(end)]}
    return {subset: [i for i, unit in enumerate(units) if subset_of[unit] == subset] for subset in SUBSETS}


def strata_of(units: Sequence[Hashable], strata: Sequence[Hashable]) -> list[Hashable]:
    """Return the stratum of each unit, in the order of the units: that of its first row."""
    first: dict[Hashable, Hashable] = {}
    for unit, stratum in zip(units, strata, strict=True):
        first.setdefault(unit, stratum)
    return list(first.values())


def joined(groups: Sequence[Hashable], units: Sequence[Hashable] | None) -> Sequence[Hashable]:
    """Return the units of rows that share a group or a unit, directly or by way of other rows.

    Example:
        >>> joined(["a", "a", "b", "c"], [0, 1, 1, 2])
        [0, 0, 0, 3]
    """
    if units is None:
        return groups
    parent = list(range(len(groups)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for keys in (groups, units):
        first: dict[Hashable, int] = {}
        for i, key in enumerate(keys):
            j = root(first.setdefault(key, i))
            parent[max(root(i), j)] = min(root(i), j)
    return [root(i) for i in range(len(groups))]


def group_texts(rows: Rows, column: str) -> list[str]:
    """Return the group of each row.

    Raises:
        BadCell: A cell is blank.
    """
    groups = rows.texts(column)
    if None in groups:
        raise rows.fault(
            groups.index(None),
            column,
            "should name a group. Found a blank cell. Name one, or split by random.",
        )
    return [str(group) for group in groups]


def check_groups(rows: Rows, column: str, subsets: Subsets, fix: str) -> None:
    """Refuse a group of which rows are in two subsets.

    Raises:
        BadCell: There is one.
    """
    groups = rows.texts(column)
    subset_of = {i: subset for subset, indices in subsets.items() for i in indices}
    first: dict[str, int] = {}
    for i, group in enumerate(groups):
        earlier = i if group is None else first.setdefault(group, i)
        if subset_of[earlier] != subset_of[i]:
            raise rows.fault(
                i,
                column,
                f"should be in one subset. Found '{group}' in {subset_of[i]} here and in "
                f"{subset_of[earlier]} in row {rows.row_numbers[earlier]}. {fix}",
            )


def _stratified(order: np.ndarray, strata: Sequence[Hashable]) -> np.ndarray:
    """Return positions in an order whose every beginning has about the same share of each stratum."""
    sizes, seen = Counter(strata), Counter[Hashable]()
    shares = []
    for i in order:
        seen[strata[i]] += 1
        shares.append(seen[strata[i]] / sizes[strata[i]])
    return order[np.argsort(shares, kind="stable")]
