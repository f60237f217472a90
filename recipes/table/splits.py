"""Which rows train, which choose the epoch, and which test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from sennit.recipes.table.parse import PartError
from sennit.recipes.table.source import Source

PARTS = ("train", "validation", "test")
_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"}
_NAMES |= {"val": "validation", "dev": "validation", "test": "test", "testing": "test"}


def is_part(text: str) -> bool:
    """Whether a text names a part of a split."""
    return text.lower() in _NAMES


class Split(ABC):
    """What the kinds of split have in common."""

    by: ClassVar[str]

    @property
    def column_names(self) -> list[str]:
        """The columns it reads."""
        return []

    @abstractmethod
    def rows(self, source: Source) -> dict[str, list[int]]:
        """The rows of each part, counted from 0."""


@dataclass(frozen=True, kw_only=True)
class ColumnSplit(Split):
    """A column says the part of each row.

    Args:
        column: It holds train, validation or test (or training, valid, val, dev, testing).
        group: A column, such as of speakers, of which no value may be in two parts.
    """

    by: ClassVar[str] = "column"
    column: str
    group: str | None = None

    @property
    def column_names(self) -> list[str]:
        return [self.column, *([self.group] if self.group else [])]

    def rows(self, source: Source) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {part: [] for part in PARTS}
        seen: dict[str, tuple[str, int]] = {}
        for i, row in enumerate(source.rows()):
            text = row.text(self.column) or ""
            part = _NAMES.get(text.lower())
            if part is None:
                raise row.bad(self.column, f"should be train, validation or test. Found '{text}'.")
            found[part].append(i)
            group = row.text(self.group) if self.group else None
            if self.group and group is not None:
                other, first = seen.setdefault(group, (part, i))
                if other != part:
                    raise row.bad(
                        self.group,
                        f"should be in one part of the split. Found '{group}' in {part} here and in "
                        f"{other} in row {first + source.first}. Mend column '{self.column}', or split "
                        f"by group.",
                    )
        return found


@dataclass(frozen=True, kw_only=True)
class _DrawnSplit(Split):
    """Drawn with a seed.

    Args:
        validation: Share of what is drawn.
        test: Share of what is drawn.
        seed: Of the draw.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.validation, self.test) < 0 or self.validation + self.test >= 1:
            raise PartError(
                f"`validation` and `test` should be 0 or more and leave something to train on. Found "
                f"{self.validation} and {self.test}."
            )

    def _draw(self, units: Sequence[Hashable]) -> dict[str, list[int]]:
        """The rows of each part, whole units at a time."""
        names = list(dict.fromkeys(units))
        wanted = [self.test and max(1, round(self.test * len(names)))]
        wanted.append(self.validation and max(1, round(self.validation * len(names))))
        if sum(wanted) >= len(names):
            raise ValueError(
                f"a split into three parts needs more than {sum(wanted)} rows or groups. Found {len(names)}."
            )
        order = np.random.default_rng(self.seed).permutation(len(names))
        ends = np.cumsum([0, *wanted, len(names)]).clip(max=len(names))
        part_of: dict[Hashable, str] = {}
        for part, start, end in zip(("test", "validation", "train"), ends[:-1], ends[1:], strict=True):
            part_of |= {names[k]: part for k in order[int(start) : int(end)]}
        return {part: [i for i, unit in enumerate(units) if part_of[unit] == part] for part in PARTS}


@dataclass(frozen=True, kw_only=True)
class RandomSplit(_DrawnSplit):
    """Single rows are drawn; see `_DrawnSplit` for the shares and the seed."""

    by: ClassVar[str] = "random"

    def rows(self, source: Source) -> dict[str, list[int]]:
        return self._draw(range(source.size))


@dataclass(frozen=True, kw_only=True)
class GroupSplit(_DrawnSplit):
    """Whole groups are drawn, so that none is in two parts.

    Args:
        column: Where the groups are.
        validation: Share of the groups.
        test: Share of the groups.
        seed: Of the draw.
    """

    by: ClassVar[str] = "group"
    column: str

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def rows(self, source: Source) -> dict[str, list[int]]:
        groups = []
        for row in source.rows():
            group = row.text(self.column)
            if group is None:
                raise row.bad(self.column, "should name a group. Found a blank cell.")
            groups.append(group)
        return self._draw(groups)


SPLITS: dict[str, type[Split]] = {cls.by: cls for cls in (ColumnSplit, GroupSplit, RandomSplit)}
