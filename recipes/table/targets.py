"""Targets: the columns that each kind reads, as which label, and the task that learns it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

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
        return rows.choices(self.column, self.classes or [])

    def complete(self, rows: Rows) -> Self:
        if self.classes is None:
            texts = {text for text in rows.texts(self.column) if text is not None}
            self = replace(self, classes=sorted(texts))
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
        positions = {name: k for k, name in enumerate(self.labels or [])}
        return [
            None if text is None else self._mask(rows, i, text, positions)
            for i, text in enumerate(rows.texts(self.column))
        ]

    def _flags(self, rows: Rows, column: str) -> list[float | BadCell | None]:
        return [
            x
            if x in (None, 0, 1) or isinstance(x, BadCell)
            else rows.fault(i, column, f"should be 0, 1 or blank. Found '{rows.cells(column)[i]}'.")
            for i, x in enumerate(rows.numbers(column))
        ]

    def _mask(self, rows: Rows, i: int, text: str, positions: Mapping[str, int]) -> list[float] | BadCell:
        true = [rows.position(i, str(self.column), name, positions) for name in self._split(text)]
        fault = next((k for k in true if isinstance(k, BadCell)), None)
        return fault or [float(k in true) for k in range(len(positions))]

    def _split(self, text: str) -> list[str]:
        return [name.strip() for name in text.split(self.separator) if name.strip()]

    def complete(self, rows: Rows) -> Self:
        if self.column is None or self.labels is not None:
            return self
        names = {name for text in rows.texts(self.column) for name in self._split(text or "")}
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
