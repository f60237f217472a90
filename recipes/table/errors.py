"""The error of one cell of somebody's data."""

from __future__ import annotations


class BadCell(ValueError):
    """A cell that cannot be used; the message names the data, the row and the column.

    Args:
        message: The whole of it.
        column: Which column it is about; empty for the row as a whole.
        problem: What should hold and what was found, without row and column.
    """

    # A loader's worker hands an error over by making it anew of its message alone.
    def __init__(self, message: str, *, column: str = "", problem: str = "") -> None:
        super().__init__(message)
        self.column, self.problem = column, problem
