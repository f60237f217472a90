"""Inputs of numbers, categories and dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Self

from sennit.data.names import Names
from sennit.encoders import Encoder
from sennit.recipes.table.reading.dates import ORDERS, date_order, read_dates
from sennit.recipes.table.reading.row_value import row_value
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.date_features import (
    check_parts,
    date_features,
    default_parts,
    feature_names,
    other_dates,
)
from sennit.recipes.table.schema.inputs import Input
from sennit.registry import check_names


@dataclass(frozen=True, kw_only=True)
class TableInput(Input):
    """Numbers, categories and dates, of which any cell may be blank.

    Args:
        numbers: Columns of numbers.
        categories: Columns of categories with their values; null takes those of the training rows.
        dates: Columns of dates with their parts: ``year``, ``month``, ``weekday``, ``day_of_year`` and
            ``hour`` (each but the year as a sine and a cosine), ``days`` (since 1970), and ``since <column>``
            (the days since another column's date); null takes those that differ in the training rows.
        date_order: ``"day"`` or ``"month"``, which comes first in dates whose year is last; null takes it
            from the training rows, if a number above 12 tells.
        unseen: ``"missing"`` to count a value that is none of these as blank, ``"refuse"`` to refuse it; by
            default refused where the values of all columns are declared.
        encoder: Encoder's name, or a mapping with its name and options.
    """

    kind: ClassVar[str] = "table"
    shape: ClassVar[tuple[int, bool] | None] = (1, True)
    numbers: list[str] = field(default_factory=list)
    categories: dict[str, list[str] | None] = field(default_factory=dict)
    dates: dict[str, list[str] | None] = field(default_factory=dict)
    date_order: str | None = None
    unseen: str | None = None
    encoder: str | dict[str, Any] = "mlp"

    def __post_init__(self) -> None:
        if self.unseen is not None:
            check_names("value of `unseen`", [self.unseen], ("missing", "refuse"))
        if self.date_order is not None:
            check_names("value of `date_order`", [self.date_order], ORDERS)
        for parts in self.dates.values():
            check_parts(parts or [])
        if not self.column_names:
            raise ValueError("a table should have `numbers`, `categories` or `dates`. Found none.")

    @property
    def column_names(self) -> list[str]:
        others = [other for parts in self.dates.values() for other in other_dates(parts or [])]
        return list(dict.fromkeys([*self.numbers, *self.dates, *others, *self.categories]))

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of the encoder: those of the table, with several for a date."""
        dates = [name for c, parts in self.dates.items() for name in feature_names(c, parts or [])]
        return [*self.numbers, *dates, *self.categories]

    def columns(self, rows: Rows) -> list[Sequence[float | BadCell | None]]:
        """Return numbers, those of dates, and codes of categories, column by column; None where blank."""
        columns: list[Sequence[float | BadCell | None]] = [rows.numbers(c) for c in self.numbers]
        dates = self._dates(rows)
        for column, parts in self.dates.items():
            columns += rows.once(
                ("date features", column, *(parts or []), self.date_order),
                partial(date_features, dates[column], parts or [], dates),
            )
        fix = "Fix the cell, declare it, or count such cells as blank with `unseen: missing`."
        columns += [
            rows.choices(c, Names(names or [], fix), unseen=self.unseen or "refuse")
            for c, names in self.categories.items()
        ]
        return columns

    def read(self, rows: Rows) -> Sequence[Any]:
        columns: list[Sequence[Any]] = [*self.columns(rows)]
        width, cells = len(columns), zip(*columns, strict=True)
        values: list[Any]
        if any(BadCell in {*map(type, column)} for column in columns):
            values = [row_value(row) for row in cells]
        else:
            values = [None if row.count(None) == width else list(row) for row in cells]
        for i in self.only_unseen(rows, columns):
            values[i] = [None] * len(self.feature_names)
        return values

    def only_unseen(self, rows: Rows, columns: Sequence[Sequence[Any]]) -> list[int]:
        """Return the rows of which no cell has a value, but one holds a category that was never seen.

        Such a row is there: its answer is that of missing cells.

        Args:
            rows: Table.
            columns: Its `columns`.
        """
        if self.unseen != "missing":
            return []
        blank = [rows.blank(c) for c in self.categories]
        return [
            i
            for i, row in enumerate(zip(*columns, strict=True))
            if row.count(None) == len(row) and not all(column[i] for column in blank)
        ]

    def _dates(self, rows: Rows) -> dict[str, list[datetime | BadCell | None]]:
        """Return the dates of each column that holds any."""
        others = [other for parts in self.dates.values() for other in other_dates(parts or [])]
        return {c: read_dates(rows, c, self.date_order) for c in dict.fromkeys([*self.dates, *others])}

    def example(self) -> dict[str, Any]:
        """Return a row of the table."""
        dates = [c for c in self.column_names if c not in self.numbers and c not in self.categories]
        cells: dict[str, Any] = dict.fromkeys(self.numbers, 0.0) | dict.fromkeys(dates, "2024-01-31")
        return cells | {column: names[0] for column, names in self.categories.items() if names}

    def complete(self, rows: Rows) -> Self:
        values = {c: rows.names(c) for c, names in self.categories.items() if names is None}
        unseen = self.unseen or ("missing" if values else "refuse")
        columns = self._dates(rows)
        parts = {c: default_parts(columns[c]) for c, given in self.dates.items() if given is None}
        orders = {date_order([t for t in rows.texts(c) if t is not None]) for c in columns} - {None}
        return replace(
            self,
            categories={**self.categories, **values},
            dates={**self.dates, **parts},
            date_order=self.date_order or (orders.pop() if len(orders) == 1 else None),
            unseen=unseen,
        )

    def make_encoder(self) -> Encoder:
        names = [list(values or []) for values in self.categories.values()]
        return self._encoder(
            num_features=len(self.feature_names), categories=names, columns=self.feature_names
        )
