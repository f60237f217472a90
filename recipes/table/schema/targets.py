"""Targets: the columns that each kind reads, as which label, and the task that learns it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from sennit.data.names import Names, in_order
from sennit.recipes.table.reading.rows import BadCell, Rows, row_value
from sennit.registry import check_names
from sennit.tasks import Classification, MultiLabel, Regression, Task


@dataclass(frozen=True, kw_only=True)
class Target:
    """Base of the kinds of target.

    Attributes:
        kind: Name of the kind in a schema.
        metrics: Metrics of its task; the best epoch is chosen by the first, unless the schema names another.
        column_names: Columns that it reads.
    """

    kind: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    metric: str | None = None

    def __post_init__(self) -> None:
        if self.metric is not None:
            check_names("metric", [self.metric], self.metrics)

    @property
    def monitored(self) -> str:
        """Metric by which the best epoch is chosen."""
        return self.metric or self.metrics[0]

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
        weights: Weight of each class in the loss, 1 where not given; ``"balanced"`` gives all classes the
            same part in it, with a mean of 1 over the training rows.
        metric: ``"accuracy"``, ``"f1_macro"`` or ``"auroc"``, by which the best epoch is chosen.
    """

    kind: ClassVar[str] = "class"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1_macro", "auroc")
    column: str
    classes: list[str] | None = None
    weights: str | dict[str, float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.weights, str):
            check_names("value of `weights`", [self.weights], ("balanced",))
        elif self.weights is not None and min(self.weights.values(), default=1.0) <= 0:
            raise ValueError(f"`weights` should be above 0. Found {self.weights}.")

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
        return replace(self, weights=self._weights(rows)) if self.weights is not None else self

    def _weights(self, rows: Rows) -> dict[str, float]:
        """Return the weights of the classes, those that depend on the training rows among them."""
        classes = self.classes or []
        if isinstance(self.weights, Mapping):
            check_names("class with a weight", self.weights, classes)
            return dict(self.weights)
        counts = Counter(k for k in self.read(rows) if isinstance(k, int))
        return {
            name: counts.total() / (len(counts) * counts[k]) for k, name in enumerate(classes) if counts[k]
        }

    def make_task(self) -> Task:
        classes, weights = self.classes or [], self.weights
        given = [weights.get(name, 1.0) for name in classes] if isinstance(weights, Mapping) else None
        return Classification(classes, class_weights=given, auroc=self.metric == "auroc")


@dataclass(frozen=True, kw_only=True)
class MultiLabelTarget(Target):
    """Several labels, each true or not.

    Args:
        column: Column of the names of the true labels, between separators. A blank cell is unknown; a
            separator alone says that none is true.
        separator: Separator of the names.
        labels: All names in order; null takes those of the training rows.
        columns: Columns of 0 and 1, one for each label, instead of ``column``; a blank cell is unknown.
        metric: ``"accuracy"`` or ``"auroc"``, by which the best epoch is chosen.
    """

    kind: ClassVar[str] = "multilabel"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "auroc")
    column: str | None = None
    separator: str = "|"
    labels: list[str] | None = None
    columns: list[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
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
        labels = self.column_names if self.column is None else self.labels or []
        return MultiLabel(labels, auroc=self.metric == "auroc")


@dataclass(frozen=True, kw_only=True)
class NumberTarget(Target):
    """One or several numbers; a blank cell is unknown.

    Args:
        columns: Columns of the numbers.
        metric: ``"r2"`` or ``"mae"``, by which the best epoch is chosen.
    """

    kind: ClassVar[str] = "number"
    metrics: ClassVar[tuple[str, ...]] = ("r2", "mae")
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
