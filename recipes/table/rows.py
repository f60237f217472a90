"""The rows of a table: their cells, read column by column, and the subsets that they are split into."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from sennit.registry import unknown_name

T = TypeVar("T")


class BadCell(ValueError):
    """A cell that cannot be used; the message names the data, the row and the column.

    Args:
        message: Complete message.
        column: Column at fault; empty for the row as a whole.
        problem: Expectation and finding, without row and column.
    """

    # A loader's worker passes an error on by creating it again from its message alone.
    def __init__(self, message: str, *, column: str = "", problem: str = "") -> None:
        super().__init__(message)
        self.column, self.problem = column, problem


@dataclass(frozen=True)
class Rows:
    """The cells of a table as plain lists, which workers can share without the table's library.

    A column is read as a whole. The value of a cell that cannot be used is its `BadCell`, which is raised
    by whatever needs the row.

    Attributes:
        name: Name of the file, for errors.
        columns: Cells of each column: strings, or what a Parquet file holds. None, NaN and white space are
            blank.
        row_numbers: Number of each row: from 2 in a CSV file, as spreadsheets count, from 0 elsewhere.
        folder: Folder that paths in the table are relative to.
        subsets: Positions of the rows of each subset (train, validation, test) that has any.
        bad: Faults of the rows that are left out, by position.
        notes: Remarks about the data, one sentence each.

    Example:
        >>> rows = Rows("train.csv", {"price": ["3.5", "3,5", " "]}, range(2, 5))
        >>> value, fault, blank = rows.numbers("price")
        >>> value, blank
        (3.5, None)
        >>> print(fault)
        'train.csv', row 3, column 'price' should hold a number. Found '3,5'. Write decimals with a point, \
and leave unknown cells blank.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    row_numbers: Sequence[int]
    folder: Path = Path()
    subsets: Mapping[str, list[int]] = field(default_factory=dict)
    bad: Mapping[int, list[BadCell]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.row_numbers)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows in each subset."""
        return {name: len(indices) for name, indices in self.subsets.items()}

    def take(self, indices: Sequence[int]) -> Rows:
        """Return the table with the rows at some positions, without subsets."""
        columns = {name: [cells[i] for i in indices] for name, cells in self.columns.items()}
        return replace(self, columns=columns, row_numbers=[self.row_numbers[i] for i in indices], subsets={})

    def texts(self, column: str) -> list[str | None]:
        """Return the cells of a column without surrounding white space; None where blank."""
        return [_text(cell) for cell in self.cells(column)]

    def numbers(self, column: str) -> list[float | BadCell | None]:
        """Return the cells of a column as finite numbers; None where blank."""
        return [self._number(i, column, cell) for i, cell in enumerate(self.cells(column))]

    def choices(self, column: str, names: Sequence[str]) -> list[int | BadCell | None]:
        """Return the positions in a list of a column's texts; None where blank."""
        positions = {name: k for k, name in enumerate(names)}
        return [
            None if text is None else self.position(i, column, text, positions)
            for i, text in enumerate(self.texts(column))
        ]

    def position(self, i: int, column: str, text: str, positions: Mapping[str, int]) -> int | BadCell:
        """Return the position of a text, taken from the cell of row ``i``, among declared names."""
        if text in positions:
            return positions[text]
        names = list(positions)
        listed = ", ".join(f"'{n}'" for n in names[:8]) + (", ..." if len(names) > 8 else "")
        close = difflib.get_close_matches(text, names, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else "Fix the cell, or declare it in the schema."
        return self.fault(i, column, f"should be one of {listed}. Found '{text}'. {hint}")

    def files(self, column: str) -> Sequence[str | BinaryIO | None]:
        """Return the files that a column names: paths, or contents where the data hold them."""
        return [None if text is None else str(self.folder / text) for text in self.texts(column)]

    def cells(self, column: str) -> Sequence[Any]:
        """Return the raw cells of a column."""
        return self.columns[column]

    def place(self, i: int) -> str:
        """Return the data's name and the number of row ``i``, for errors."""
        return f"'{self.name}', row {self.row_numbers[i]}"

    def fault(self, i: int, column: str, problem: str) -> BadCell:
        """Return the error for a cell of row ``i`` or, with an empty ``column``, for the whole row."""
        where = f"{self.place(i)}, column '{column}'" if column else self.place(i)
        return BadCell(f"{where} {problem}", column=column, problem=problem)

    def check_columns(self, names: Iterable[str], where: str) -> None:
        """Refuse a table without some columns.

        Args:
            names: Names of the columns.
            where: Place in the schema that reads them, for the error.

        Raises:
            ValueError: A column is missing; close names are listed.
        """
        for column in names:
            if column not in self.columns:
                hint = unknown_name("column", column, self.columns)
                only = next(iter(self.columns)) if len(self.columns) == 1 else ""
                fix = " Are the columns separated by commas?" if ";" in only or "\t" in only else ""
                raise ValueError(f"'{self.name}' lacks a column that {where} reads: {hint}{fix}")

    def _number(self, i: int, column: str, cell: Any) -> float | BadCell | None:
        text = _text(cell)
        if text is None:
            return None
        try:
            value = float(cell)
        except ValueError:
            value = math.inf
        if math.isinf(value):
            return self.fault(
                i,
                column,
                f"should hold a number. Found '{text}'. Write decimals with a point, and leave unknown cells "
                f"blank.",
            )
        return None if math.isnan(value) else value


def row_value(cells: Sequence[T | BadCell | None]) -> list[T | None] | BadCell | None:
    """Return several cells of a row as one value: the first fault, or None if all are blank.

    Example:
        >>> row_value([1.0, None]), row_value([None, None])
        ([1.0, None], None)
    """
    values: list[T | None] = []
    for cell in cells:
        if isinstance(cell, BadCell):
            return cell
        values.append(cell)
    return None if all(value is None for value in values) else values


def _text(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    return str(cell).strip() or None
