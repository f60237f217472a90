"""The cells of one row, read strictly; the error of one that cannot be used."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO


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


class Row:
    """The cells of a row by column.

    Args:
        cells: Cell of each column: a string, or what a Parquet file holds. None, NaN and white space are
            blank.
        where: Data and row, for errors.
        index: Number of the row as a reader of the data counts: from 2 in a CSV file, from 0 elsewhere.
        folder: Folder that paths are relative to.

    Example:
        >>> row = Row({"price": "3,5", "colour": " "}, where="'train.csv', row 7")
        >>> row.text("colour")
        >>> row.number("price")
        Traceback (most recent call last):
        sennit.recipes.table.cells.BadCell: 'train.csv', row 7, column 'price' should hold a number. \
Found '3,5'. Write decimals with a point, and leave unknown cells blank.
    """

    def __init__(
        self, cells: Mapping[str, Any], *, where: str, index: int = 0, folder: Path = Path()
    ) -> None:
        self.cells, self.where, self.index, self.folder = cells, where, index, folder

    def text(self, column: str) -> str | None:
        """Return the cell without surrounding white space; None if blank."""
        value = self.cells[column]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        return str(value).strip() or None

    def number(self, column: str) -> float | None:
        """Return the cell as a finite number; None if blank.

        Raises:
            BadCell: The cell does not hold a number.
        """
        text = self.text(column)
        if text is None:
            return None
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.inf
        if math.isnan(value):
            return None
        if math.isinf(value):
            raise self.bad(
                column,
                f"should hold a number. Found '{text}'. Write decimals with a point, and leave unknown cells "
                f"blank.",
            )
        return value

    def choice(self, column: str, names: list[str]) -> int | None:
        """Return the position of the cell's text in a list; None if blank.

        Raises:
            BadCell: The list does not hold it.
        """
        text = self.text(column)
        return None if text is None else self.position(column, text, names)

    def position(self, column: str, text: str, names: list[str]) -> int:
        """Return the position in a list of a text that was taken from a column's cell."""
        if text not in names:
            listed = ", ".join(f"'{n}'" for n in names[:8]) + (", ..." if len(names) > 8 else "")
            close = difflib.get_close_matches(text, names, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else "Fix the cell, or declare it in the schema."
            raise self.bad(column, f"should be one of {listed}. Found '{text}'. {hint}")
        return names.index(text)

    def path(self, column: str) -> str | None:
        """Return the path that the cell names."""
        text = self.text(column)
        return None if text is None else str(self.folder / text)

    def file(self, column: str) -> str | BinaryIO | None:
        """Return the file that the cell names: its path, or its contents where the data hold them."""
        return self.path(column)

    def bad(self, column: str, problem: str) -> BadCell:
        """Return the error for a cell of this row or, with an empty ``column``, for the whole row."""
        place = f"{self.where}, column '{column}'" if column else self.where
        return BadCell(f"{place} {problem}", column=column, problem=problem)
