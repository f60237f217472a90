"""Targets: the columns that each kind reads, as which label, and the task that learns it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from sennit.recipes.table.cells import Row
from sennit.tasks import Classification, MultiLabel, Regression, Task


@dataclass(frozen=True, kw_only=True)
class Target:
    """Base of the kinds of target.

    Attributes:
        kind: Name of the kind in a schema.
        metric: Metric of its task by which the best epoch is chosen.
        column_names: Columns that it reads.
    """

    kind: ClassVar[str]
    metric: ClassVar[str]

    @property
    def column_names(self) -> list[str]:
        raise NotImplementedError

    def value(self, row: Row) -> Any:
        """Return the label as `sennit.data.Collate` takes it; None if blank."""
        raise NotImplementedError

    def complete(self, rows: Iterable[Row]) -> Self:
        """Return a copy in which everything undeclared is taken from training rows."""
        return self

    def make_task(self) -> Task:
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class ClassTarget(Target):
    """One class of several.

    Args:
        column: Column of the class names.
        classes: Class names in order; null takes those of the training rows.
    """

    kind: ClassVar[str] = "class"
    metric: ClassVar[str] = "accuracy"
    column: str
    classes: list[str] | None = None

    @property
    def column_names(self) -> list[str]:
        return [self.column]

    def value(self, row: Row) -> int | None:
        return row.choice(self.column, self.classes or [])

    def complete(self, rows: Iterable[Row]) -> Self:
        if self.classes is None:
            texts = {row.text(self.column) for row in rows} - {None}
            self = replace(self, classes=sorted(map(str, texts)))
        if len(self.classes or []) < 2:
            raise ValueError(
                f"column '{self.column}' should hold two classes or more in the training rows. Found "
                f"{self.classes}."
            )
        return self

    def make_task(self) -> Task:
        return Classification(self.classes or [])


@dataclass(frozen=True, kw_only=True)
class MultiLabelTarget(Target):
    """Several labels, each true or not.

    Args:
        column: Column of the names of the true labels, between separators. A blank cell is unknown; a
            separator alone says that none is true.
        separator: Separator of the names.
        labels: All names in order; null takes those of the training rows.
        columns: Columns of 0 and 1, one for each label, instead of ``column``; a blank cell is unknown.
    """

    kind: ClassVar[str] = "multilabel"
    metric: ClassVar[str] = "accuracy"
    column: str | None = None
    separator: str = "|"
    labels: list[str] | None = None
    columns: list[str] | None = None

    def __post_init__(self) -> None:
        if (self.column is None) == (self.columns is None):
            raise ValueError("a multilabel target should have either `column` or `columns`.")

    @property
    def column_names(self) -> list[str]:
        return (self.columns or []) if self.column is None else [self.column]

    def value(self, row: Row) -> list[float] | None:
        if self.column is None:
            return _values([self._flag(row, c) for c in self.column_names])
        text = row.text(self.column)
        if text is None:
            return None
        names = self.labels or []
        true = {row.position(self.column, name, names) for name in self._split(text)}
        return [float(i in true) for i in range(len(names))]

    def _flag(self, row: Row, column: str) -> float | None:
        value = row.number(column)
        if value not in (None, 0, 1):
            raise row.bad(column, f"should be 0, 1 or blank. Found '{row.text(column)}'.")
        return value

    def _split(self, text: str) -> list[str]:
        return [name.strip() for name in text.split(self.separator) if name.strip()]

    def complete(self, rows: Iterable[Row]) -> Self:
        if self.column is None or self.labels is not None:
            return self
        names = {name for row in rows for name in self._split(row.text(self.column) or "")}
        return replace(self, labels=sorted(names))

    def make_task(self) -> Task:
        return MultiLabel(self.column_names if self.column is None else self.labels or [])


@dataclass(frozen=True, kw_only=True)
class NumberTarget(Target):
    """One or several numbers; a blank cell is unknown.

    Args:
        columns: Columns of the numbers.
    """

    kind: ClassVar[str] = "number"
    metric: ClassVar[str] = "r2"
    columns: list[str]

    @property
    def column_names(self) -> list[str]:
        return self.columns

    def value(self, row: Row) -> list[float] | None:
        return _values([row.number(c) for c in self.columns])

    def make_task(self) -> Task:
        return Regression(len(self.columns))


def _values(cells: list[float | None]) -> list[float] | None:
    return None if all(c is None for c in cells) else [math.nan if c is None else c for c in cells]


TARGETS: dict[str, type[Target]] = {cls.kind: cls for cls in (ClassTarget, MultiLabelTarget, NumberTarget)}
