"""One row of somebody's data: cells of which any may be blank."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sennit.recipes.table.errors import BadCell


class Row:
    """The cells of a row by column, read strictly.

    Args:
        cells: By column; strings, or what a Parquet file holds. None, NaN and white space are blank.
        where: Of which data and which row, for errors.
        folder: Paths are relative to it.

    Example:
        >>> row = Row({"price": "3,5", "colour": " "}, where="'train.csv', row 7")
        >>> row.text("colour")
        >>> row.number("price")
        Traceback (most recent call last):
        sennit.recipes.table.errors.BadCell: 'train.csv', row 7, column 'price' should hold a number. \
Found '3,5'. Write decimals with a point, and leave what is unknown blank.
    """

    def __init__(self, cells: Mapping[str, Any], *, where: str, folder: Path = Path()) -> None:
        self.cells, self.where, self.folder = cells, where, folder

    def text(self, column: str) -> str | None:
        """The cell without white space around it; None where blank."""
        value = self.cells[column]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        return str(value).strip() or None

    def number(self, column: str) -> float | None:
        """The cell as a finite number; None where blank.

        Raises:
            BadCell: It is none.
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
                f"should hold a number. Found '{text}'. Write decimals with a point, and leave what is "
                f"unknown blank.",
            )
        return value

    def choice(self, column: str, names: list[str]) -> int | None:
        """The place of the cell's text in a list; None where blank.

        Raises:
            BadCell: It is not in the list.
        """
        text = self.text(column)
        return None if text is None else self.place(column, text, names)

    def place(self, column: str, text: str, names: list[str]) -> int:
        """The place of a text, taken from a column's cell, in a list."""
        if text not in names:
            known = ", ".join(f"'{n}'" for n in names[:8]) + (", ..." if len(names) > 8 else "")
            close = difflib.get_close_matches(text, names, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else "Mend the cell, or declare it in the schema."
            raise self.bad(column, f"should be one of {known}. Found '{text}'. {hint}")
        return names.index(text)

    def path(self, column: str) -> str | None:
        """The path that the cell names."""
        text = self.text(column)
        return None if text is None else str(self.folder / text)

    def file(self, column: str) -> str | BinaryIO | None:
        """The file that the cell names: its path, or its contents where the data hold them."""
        return self.path(column)

    def bad(self, column: str, problem: str) -> BadCell:
        """The error for a cell of this row, or with an empty ``column`` for all of it."""
        place = f"{self.where}, column '{column}'" if column else self.where
        return BadCell(f"{place} {problem}", column=column, problem=problem)
