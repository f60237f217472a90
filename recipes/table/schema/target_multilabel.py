"""Targets of several labels, each true or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from sennit.data.names import Names, in_order
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.target_base import Target
from sennit.recipes.table.schema.target_number import numbers_or_nan
from sennit.tasks import MultiLabel, Task
from sennit.tasks.labelled import LABEL_METRICS


@dataclass(frozen=True, kw_only=True)
class MultiLabelTarget(Target):
    """Several labels, each true or not.

    Args:
        column: Column of the names of the true labels, between separators. A blank cell is unknown; a
            separator alone says that none is true.
        separator: Separator of the names.
        labels: All names in order; null takes those of the training rows.
        columns: Columns of 0 and 1, one for each label, instead of ``column``; a blank cell is unknown.
        metric: Name of a metric, or of several: ``"accuracy"``, ``"f1_macro"``, ``"auroc"``,
            ``"average_precision"``, ``"log_loss"``. The best epoch is chosen by the first.
    """

    kind: ClassVar[str] = "multilabel"
    metrics: ClassVar[tuple[str, ...]] = LABEL_METRICS
    reported: ClassVar[tuple[str, ...]] = ("accuracy",)
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
            return [numbers_or_nan(cells) for cells in zip(*flags, strict=True)]
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
        return MultiLabel(labels, metrics=self.metric_names)
