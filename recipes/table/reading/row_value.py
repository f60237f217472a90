"""Several cells of a row as one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from sennit.recipes.table.reading.rows import BadCell

T = TypeVar("T")


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
