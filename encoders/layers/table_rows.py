"""Reading of one row of a table: cells by the names of their columns, or in their order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sennit.data.missing_words import MISSING_WORDS
from sennit.data.names import Names
from sennit.registry import check_names

Categories = Sequence[int | Sequence[str]]
"""Number of values of each categorical column, or their names in the order of their codes."""

_PLAIN = {float, int, type(None)}


class TableRows:
    """Turns rows into numbers and category codes; a missing cell is NaN.

    Args:
        num_features: Number of columns, the categorical ones included.
        categories: Values of each of the trailing, categorical columns.
        columns: Names of all columns.

    Raises:
        ValueError: There are names for another number of columns.

    Example:
        >>> rows = TableRows(2, [["blue", "red"]], ["width", "colour"])
        >>> rows.read({"colour": "red"}), rows.read([0.5, "blue"]), rows.read([0.5, 1])
        ([nan, 1.0], [0.5, 0.0], [0.5, 1])
    """

    def __init__(self, num_features: int, categories: Categories, columns: Sequence[str] = ()) -> None:
        if columns and len(columns) != num_features:
            raise ValueError(f"`columns` should name all {num_features} columns. Found {len(columns)} names.")
        fix = "Give None for a value that the training did not have."
        named = [None if isinstance(values, int) else Names(values, fix) for values in categories]
        self.columns = tuple(columns)
        self._names = [*[None] * (num_features - len(named)), *named]

    @property
    def described(self) -> str:
        """Columns, with the values of the categorical ones."""
        listed = [
            f"{column} ({', '.join(names.names)})" if names is not None else column
            for column, names in zip(self.columns, self._names, strict=True)
        ]
        return ", ".join(listed)

    def read(self, raw: Any) -> Any:
        """Return the cells of a row in the order of the columns.

        Raises:
            ValueError: An unknown column, a text that is no number, or an unknown value of a category.
        """
        if isinstance(raw, Mapping):
            check_names("column", [str(name) for name in raw], self.columns)
            raw = [raw.get(column) for column in self.columns]
            named = True
        elif isinstance(raw, (list, tuple)):
            named = False
        else:
            return raw
        if not named and {*map(type, raw)} <= _PLAIN:
            return [math.nan if cell is None else cell for cell in raw]
        names = [*self._names, *[None] * (len(raw) - len(self._names))]
        return [self._cell(k, cell, names[k], named) for k, cell in enumerate(raw)]

    def _cell(self, k: int, cell: Any, names: Names | None, named: bool) -> Any:
        if cell is None or (isinstance(cell, float) and math.isnan(cell)):
            return math.nan
        where = f"column '{self.columns[k]}'" if self.columns else f"column {k}"
        if names is not None and (named or isinstance(cell, str)):
            position = names.find(str(cell).strip())
            if position is None and str(cell).strip() not in ("", *MISSING_WORDS):
                raise ValueError(f"{where} {names.refusal(str(cell))}")
            return math.nan if position is None else float(position)
        if not isinstance(cell, str):
            return cell
        if cell.strip() in ("", *MISSING_WORDS):
            return math.nan
        try:
            return float(cell)
        except ValueError:
            raise ValueError(f"{where} should hold a number. Found '{cell}'.") from None


def sizes_of(categories: Categories) -> list[int]:
    """Return the number of values of each categorical column."""
    return [values if isinstance(values, int) else len(values) for values in categories]
