"""Targets: the columns that each kind reads, as which label, and the task that learns it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from sennit.recipes.table.names import Names, in_order
from sennit.recipes.table.rows import BadCell, Rows, row_value
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

    def read(self, rows: Rows) -> Sequence[Any]:
        """Return the label of each row, as `sennit.data.Collate` takes it.

        None where blank, a `BadCell` where it cannot be used.
        """
        raise NotImplementedError

    def complete(self, rows: Rows) -> Self:
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

    def read(self, rows: Rows) -> Sequence[Any]:
        return rows.choices(self.column, Names(self.classes or []))

    def complete(self, rows: Rows) -> Self:
        if self.classes is None:
            self = replace(self, classes=rows.names(self.column))
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

    def read(self, rows: Rows) -> Sequence[Any]:
        if self.column is None:
            flags = [self._flags(rows, column) for column in self.column_names]
            return [_numbers(cells) for cells in zip(*flags, strict=True)]
        names = Names(self.labels or [])
        return [
            None if true is None else self._mask(rows, i, true, names)
            for i, true in enumerate(self._true(rows))
        ]

    def _flags(self, rows: Rows, column: str) -> list[float | BadCell | None]:
        return [
            x
            if x in (None, 0, 1) or isinstance(x, BadCell)
            else rows.fault(i, column, f"should be 0, 1 or blank. Found '{rows.cells(column)[i]}'.")
            for i, x in enumerate(rows.numbers(column))
        ]

    def _mask(self, rows: Rows, i: int, true: list[str], names: Names) -> list[float] | BadCell:
        positions = [rows.position(i, str(self.column), name, names) for name in true]
        fault = next((k for k in positions if isinstance(k, BadCell)), None)
        return fault or [float(k in positions) for k in range(len(names))]

    def _true(self, rows: Rows) -> list[list[str] | None]:
        """Return the names of the true labels of each row: of a list, or between separators."""
        column = str(self.column)
        cells = zip(rows.cells(column), rows.blank(column), strict=True)
        return [None if blank else self._split(cell) for cell, blank in cells]

    def _split(self, cell: Any) -> list[str]:
        names = cell if isinstance(cell, list) else str(cell).split(self.separator)
        return [text for name in names if (text := str(name).strip())]

    def complete(self, rows: Rows) -> Self:
        if self.column is None or self.labels is not None:
            return self
        return replace(self, labels=in_order({name for true in self._true(rows) for name in true or []}))

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

    def read(self, rows: Rows) -> Sequence[Any]:
        columns = [rows.numbers(c) for c in self.columns]
        return [_numbers(cells) for cells in zip(*columns, strict=True)]

    def make_task(self) -> Task:
        return Regression(len(self.columns))


def _numbers(cells: Sequence[float | BadCell | None]) -> list[float] | BadCell | None:
    """Return the numbers of a row, NaN where blank; None if all are."""
    values = row_value(cells)
    if values is None or isinstance(values, BadCell):
        return values
    return [math.nan if value is None else value for value in values]


TARGETS: dict[str, type[Target]] = {cls.kind: cls for cls in (ClassTarget, MultiLabelTarget, NumberTarget)}
