"""Numbers in cells: a column of plain numbers as a whole, any other cell by cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import Any

import numpy as np

from sennit.recipes.table.reading.delimited import number_of

_LARGEST = float(np.finfo(np.float32).max)


def plain_numbers(cells: Sequence[Any], missing: Sequence[str]) -> list[float | None] | None:
    """Return the numbers of a column, None where blank; None if it has to be read cell by cell.

    Args:
        cells: Cells of the column.
        missing: Words that stand for a blank cell.

    Example:
        >>> plain_numbers(["1", " 2.5", "", "NA"], ["NA"])
        [1.0, 2.5, None, None]
        >>> plain_numbers(["1", "3,5"], ["NA"]) is None
        True
    """
    kinds = {*map(type, cells)} - {type(None)}
    if not (kinds <= {str} or (kinds <= {int, float} and not _any_digit(missing))):
        return None
    blank = {None, "", *missing}
    try:
        if kinds == {str}:
            if any("_" in cell for cell in cells if cell):  # Python's own numbers may have them
                return None
            numbers = np.array([np.nan if cell in blank else float(cell) for cell in cells])
        else:
            numbers = np.array(cells, dtype=np.float64)
    except (ValueError, OverflowError):
        return None
    if (np.abs(numbers) > _LARGEST).any():
        return None
    values: list[float | None] = numbers.tolist()
    for i in np.flatnonzero(np.isnan(numbers)).tolist():
        values[i] = None
    return values


def _any_digit(words: Sequence[str]) -> bool:
    """Return whether a word may be a number, which a cell that is no text would have to be compared with."""
    return any(character.isdigit() for word in words for character in word)


def read_number(cell: Any, text: str | None, *, commas: bool) -> float | str | None:
    """Return the number in a cell, None where blank, or the reason why it holds none.

    Args:
        cell: Cell.
        text: Its text; None where blank.
        commas: Whether decimals have a comma.

    Example:
        >>> read_number("3,5", "3,5", commas=True)
        3.5
    """
    if text is None:
        return None
    fix = "Write decimals with a point, and leave unknown cells blank."
    if commas:
        fix = "Write decimals with a comma, as other cells of the column, and nothing between thousands."
    if isinstance(cell, (date, time, timedelta)):
        fix = "Give a date or a time as a number, such as the days since a day."
        value = math.inf
    else:
        try:
            value = number_of(text, commas=commas)
        except ValueError:
            value = math.inf
    if math.isinf(value):
        return f"should hold a number. Found '{text}'. {fix}"
    if abs(value) > _LARGEST:
        return f"should hold a number up to {_LARGEST:.2g}. Found '{text}'. Leave unknown cells blank."
    return None if math.isnan(value) else value
