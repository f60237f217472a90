"""The rows of a table: their cells, read column by column, and the subsets that they are split into."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from sennit.data.missing_words import MISSING_WORDS
from sennit.data.names import Names, in_order, plain_number
from sennit.recipes.table.reading.numbers import plain_numbers, read_number
from sennit.recipes.table.reading.paths import locate
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
        columns: Cells of each column: strings, or what a Parquet file holds. None, NaN, white space and the
            missing words are blank.
        row_numbers: Number of each row: from 2 in a CSV file, as spreadsheets count, from 0 elsewhere.
        folder: Folder that paths in the table are relative to.
        subsets: Positions of the rows of each subset (train, validation, test) that has any.
        bad: Faults of the rows that are left out, by position.
        notes: Remarks about the data, one sentence each.
        missing: Words that stand for a blank cell, unless they are a declared class, label or category.
        decimal: Decimal point of numbers: a comma where semicolons separate the cells.

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
    missing: Sequence[str] = MISSING_WORDS
    decimal: str = "."
    _read: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

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

    def with_missing(self, words: Sequence[str]) -> Rows:
        """Return the table with other words for a blank cell; itself if they are the same."""
        return self if tuple(words) == tuple(self.missing) else replace(self, missing=words)

    def texts(self, column: str) -> list[str | None]:
        """Return the cells of a column without surrounding white space; None where blank."""
        words = {*self.missing}
        return [None if text in words else text for text in self.raw_texts(column)]

    def raw_texts(self, column: str) -> list[str | None]:
        """Return the cells of a column as texts, in which a missing word is a text."""
        return self.once(("texts", column), lambda: self._read_texts(column))

    def _read_texts(self, column: str) -> list[str | None]:
        if {*map(type, self.cells(column))} == {str}:
            return [cell.strip() or None for cell in self.cells(column)]
        return [self._raw_text(i, column, cell) for i, cell in enumerate(self.cells(column))]

    def blank(self, column: str) -> list[bool]:
        """Return which cells of a column are blank, whatever they hold."""
        words = {"", *self.missing}
        return [
            cell.strip() in words
            if isinstance(cell, str)
            else cell is None or (isinstance(cell, float) and math.isnan(cell))
            for cell in self.cells(column)
        ]

    def numbers(self, column: str) -> list[float | BadCell | None]:
        """Return the cells of a column as finite numbers; None where blank."""
        return self.once(("numbers", column), lambda: self._read_numbers(column))

    def once(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return what a function reads from the cells; it is called the first time only.

        Args:
            key: Key of what it reads.
            read: Function.
        """
        if key not in self._read:
            self._read[key] = read()
        value: T = self._read[key]
        return value

    def names(self, column: str) -> list[str]:
        """Return the different values of a column in order, numbers by their size; equal numbers are one."""
        return in_order({text for text in self.names_of(column) if text is not None})

    def names_of(self, column: str) -> list[str | None]:
        """Return the cells of a column as names: texts, of which equal numbers are one; None where blank."""
        texts = self.texts(column)
        names = {text: None if text is None else plain_number(text) for text in {*texts}}
        return [names[text] for text in texts]

    def choices(self, column: str, names: Names, *, unseen: str = "refuse") -> list[int | BadCell | None]:
        """Return the positions among declared names of a column's texts; None where blank.

        Args:
            column: Name of the column.
            names: Declared names.
            unseen: ``"refuse"`` for a fault where a cell holds another name, ``"missing"`` for a blank.
        """

        def read() -> list[int | BadCell | None]:
            texts = self.raw_texts(column)
            declared = {text: None if text is None else names.find(text) for text in {*texts}}
            return [
                declared[text]
                if text is None or declared[text] is not None
                else self.position(i, column, text, names, unseen=unseen)
                for i, text in enumerate(texts)
            ]

        return self.once(("choices", column, tuple(names.names), names.fix, unseen), read)

    def position(
        self, i: int, column: str, text: str, names: Names, *, unseen: str = "refuse"
    ) -> int | BadCell | None:
        """Return the position of a text, taken from the cell of row ``i``, among declared names."""
        position = names.find(text)
        if position is not None or text in self.missing or unseen == "missing":
            return position
        return self.fault(i, column, names.refusal(text))

    def files(self, column: str, *, folder: str = "", ending: str = "") -> Sequence[str | bytes | None]:
        """Return the files that a column names: paths, or contents where the data hold them.

        Args:
            column: Name of the column.
            folder: Folder of the files, relative to the table's.
            ending: Ending that the cells leave out.
        """
        cells = zip(self.cells(column), self.blank(column), strict=True)
        return [
            None
            if blank
            else cell
            if isinstance(cell, bytes)
            else locate(self.folder / folder, f"{self._raw_text(i, column, cell)}{ending}")
            for i, (cell, blank) in enumerate(cells)
        ]

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

    def file_fault(self, i: int, column: str, error: BaseException) -> BadCell:
        """Return the error for the file of a cell."""
        cell = self.cells(column)[i]
        what = "holds a file" if isinstance(cell, bytes) else f"names '{str(cell).strip()}'"
        return self.fault(i, column, f"{what}: {error}")

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
                raise ValueError(f"'{self.name}' lacks a column that {where} reads: {hint}")

    def _read_numbers(self, column: str) -> list[float | BadCell | None]:
        plain: Any = plain_numbers(self.cells(column), self.missing)
        if plain is not None:
            numbers: list[float | BadCell | None] = plain
            return numbers
        cells, texts = self.cells(column), self.texts(column)
        commas = self.decimal == "," and any(text and "," in text for text in texts)
        values = [read_number(*pair, commas=commas) for pair in zip(cells, texts, strict=True)]
        return [self.fault(i, column, x) if isinstance(x, str) else x for i, x in enumerate(values)]

    def _raw_text(self, i: int, column: str, cell: Any) -> str | None:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return None
        if not isinstance(cell, _SCALARS):
            kind = "the contents of a file" if isinstance(cell, bytes) else f"a {type(cell).__name__}"
            fix = (
                "Declare it as an image or audio input."
                if isinstance(cell, bytes)
                else "A list is read as the labels of a multilabel target; write others as columns."
            )
            raise self.fault(i, column, f"should hold a text or a number. Found {kind}. {fix}")
        return str(cell).strip() or None


_SCALARS = (str, int, float, Decimal, date, time, timedelta)
