"""The contents of a column: whether they look like numbers, names, texts, dates, molecules or files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from sennit.data.names import in_order, plain_number
from sennit.recipes.table.reading.dates import is_date
from sennit.recipes.table.reading.rows import Rows

_MAX_CATEGORIES = 50  # different values of a column of categories
_LONG = 20  # characters of a text rather than of a name, on average
# No code of a postal area or a product: 007 is not 7.
_NUMBER = re.compile(r"(?!0\d+\Z)[-+]?((\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|inf)")

_CURRENCY = r"[$€£¥₹]|USD|EUR|GBP"
# Groups of thousands, currencies, shares of a hundred, the minus of a typesetter.
_WRITTEN = re.compile(
    rf"\(?[-+\u2212]?\s?({_CURRENCY})?\s?[-+\u2212]?(?!0\d)"
    rf"(\d{{1,3}}([,_'\u2019\u00a0\u202f]\d{{3}})+|\d+)([.,]\d+)?\s?(%|{_CURRENCY})?\)?|0[xX][0-9a-fA-F]+"
)


@dataclass(frozen=True)
class ColumnContents:
    """The contents of a column, and whether they look like numbers, names or texts.

    Attributes:
        name: Name of the column.
        cells: Cells without surrounding white space; None where blank.
        values: Cells that are the contents of files, lists or mappings.
        decimal: Decimal point.

    Example:
        >>> ColumnContents("size", ["1", "2.5", "2.5", None]).numeric()
        True
    """

    name: str
    cells: Sequence[str | None]
    values: Sequence[object] = ()
    decimal: str = "."

    @classmethod
    def of(cls, rows: Rows, name: str) -> ColumnContents:
        """Return the contents of a column of a table."""
        values = [cell for cell in rows.cells(name) if isinstance(cell, (bytes, list, dict))]
        cells = [None] * len(rows) if values else rows.texts(name)
        return cls(name, cells, values, rows.decimal)

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.cells)

    @cached_property
    def texts(self) -> list[str]:
        """Cells that are not blank."""
        return [cell for cell in self.cells if cell is not None]

    @cached_property
    def _names(self) -> dict[str, str]:
        """Names that the different texts stand for."""
        return {text: plain_number(text) for text in set(self.texts)}

    @cached_property
    def names(self) -> list[str | None]:
        """Cells as names, of which equal numbers are one; None where blank."""
        return [None if text is None else self._names[text] for text in self.cells]

    @cached_property
    def distinct(self) -> list[str]:
        """Different values in order."""
        return in_order(set(self._names.values()))

    @cached_property
    def numbers(self) -> list[float]:
        """Cells, being numbers."""
        return [self.number(text) for text in self.texts]

    @cached_property
    def _numeric(self) -> bool:
        plain = (text.replace(self.decimal, ".") for text in self._names)
        return bool(self._names) and all(map(_NUMBER.fullmatch, plain))

    def numeric(self) -> bool:
        """Return whether all are numbers, none of which is a code that begins with a zero."""
        return self._numeric

    def written(self) -> bool:
        """Return whether all are numbers as people write them, which no program reads: '$1,200', '12 %'."""
        return bool(self.texts) and not self._numeric and all(map(_WRITTEN.fullmatch, self._names))

    def whole(self) -> bool:
        """Return whether all, being numbers, are whole."""
        return all(number.is_integer() for number in self.numbers)

    def dates(self) -> bool:
        """Return whether all are dates; whole numbers such as 20240131 are if the name says so."""
        if self.numeric() and not re.search("date|day|born|birth|dob|time", self.name.lower()):
            return False
        return bool(self.texts) and all(map(is_date, self._names))

    def long(self) -> bool:
        """Return whether they are texts rather than names."""
        mean_length = sum(map(len, self.texts)) / len(self.texts)
        return mean_length > _LONG or sum(" " in text for text in self.texts) > len(self.texts) / 2

    def counts_up(self) -> bool:
        """Return whether the values, being numbers, count the rows."""
        return all(b - a == 1 for a, b in pairwise(self.numbers))

    def constant(self) -> bool:
        """Return whether all rows have the same value."""
        return len(self.distinct) == 1 and len(self.texts) == self.size > 1

    def distinct_throughout(self) -> bool:
        """Return whether every row has a value of its own."""
        return len(self.distinct) == self.size > 2

    def few(self, most: int = _MAX_CATEGORIES) -> bool:
        """Return whether there are as few different ones as a category has."""
        return len(self.distinct) <= min(most, max(2, self.size // 2))

    def number(self, text: str) -> float:
        """Return the number that a cell holds."""
        return float(text.replace(self.decimal, "."))
