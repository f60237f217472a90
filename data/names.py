"""Names of classes, labels and categories, of which equal numbers are one: 1 and 1.0."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence


class Names:
    """Declared names, found by a cell's text.

    Args:
        names: Names in order.
        fix: Advice for a text that is none of them.

    Example:
        >>> Names(["1", "2"]).find("2.0"), Names(["red"]).find("rde")
        (1, None)
    """

    def __init__(self, names: Sequence[str], fix: str = "Fix the cell, or declare it in the schema.") -> None:
        self.names, self.fix = list(names), fix
        self._positions = {plain_number(name): k for k, name in enumerate(names)}
        self._positions |= {name: k for k, name in enumerate(names)}

    def __len__(self) -> int:
        return len(self.names)

    def find(self, text: str) -> int | None:
        """Return the position of a name, or None."""
        position = self._positions.get(text)
        return self._positions.get(plain_number(text)) if position is None else position

    def refusal(self, text: str) -> str:
        """Return the reason why a text cannot be used, with the fix."""
        listed = ", ".join(f"'{name}'" for name in self.names[:8]) + (", ..." if len(self) > 8 else "")
        close = difflib.get_close_matches(text, self.names, n=1)
        hint = f"Did you mean '{close[0]}'? " if close else ""
        return f"should be one of {listed}. Found '{text}'. {hint}{self.fix}"


def plain_number(text: str) -> str:
    """Return a whole number without decimals, as which 1 and 1.0 are one name; any other text as it is.

    Example:
        >>> plain_number("1.0"), plain_number("1.50"), plain_number("v1.0")
        ('1', '1.50', 'v1.0')
    """
    if not text.endswith("0") or "." not in text:  # sooner than a pattern tells
        return text
    return text.partition(".")[0] if re.fullmatch(r"-?(0|[1-9]\d*)\.0+", text) else text


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in order: by their size if all are whole numbers.

    Example:
        >>> in_order(["10", "9"]), in_order(["b10", "b9"])
        (['9', '10'], ['b10', 'b9'])
    """
    listed = list(names)
    whole = all(re.fullmatch(r"-?\d+", name) for name in listed)
    return sorted(listed, key=lambda name: (int(name) if whole else 0, name))
