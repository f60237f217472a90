"""Dates in the cells of a table: ISO, and the usual formats with the year last or the month as a name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime

from sennit.recipes.table.reading.rows import BadCell, Rows

_TIME = r"(?:[T ,]+(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?)?"
_ZONE = r"(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_YEAR_FIRST = r"(?P<year>\d{4})(?P<s>[-/.])(?P<month>\d\d?)(?P=s)(?P<day>\d\d?)"
_PLAIN = r"(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])"
_YEAR_LAST = r"(?P<first>\d\d?)(?P<s>[-/.])(?P<second_>\d\d?)(?P=s)(?P<year>\d{4})"
_NAMED = (
    r"(?:(?P<day>\d\d?)\.?[ -])(?P<name>[A-Za-z]{3,9})\.?,?[ -](?P<year>\d{4})",
    r"(?P<name>[A-Za-z]{3,9})\.? (?P<day>\d\d?),? (?P<year>\d{4})",
)
_FORMATS = [re.compile(f + _TIME + _ZONE) for f in (_YEAR_FIRST, _PLAIN, *_NAMED)]
_LAST = re.compile(_YEAR_LAST + _TIME + _ZONE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
ORDERS = ("day", "month")
"""Which of two numbers before a year comes first."""


def date_order(texts: Sequence[str]) -> str | None:
    """Return which number comes first in dates with the year last; None where nothing tells.

    Points are between day, month and year. With a slash or a hyphen a number above 12 tells.

    Example:
        >>> date_order(["1/2/2024", "1/13/2024"]), date_order(["1.2.2024"]), date_order(["1/2/2024"])
        ('month', 'day', None)
    """
    for text in texts:
        match = _LAST.fullmatch(text)
        if match is not None:
            if match["s"] == "." or int(match["first"]) > 12:
                return "day"
            if int(match["second_"]) > 12:
                return "month"
    return None


def is_date(text: str) -> bool:
    """Return whether a text has the form of a date, ambiguous ones among them.

    Example:
        >>> is_date("2024-01-15 10:30"), is_date("3 Jan 2024"), is_date("1/2/2024"), is_date("2024")
        (True, True, True, False)
    """
    return any(_parsed(text, order) is not None for order in ORDERS)


def read_dates(rows: Rows, column: str, order: str | None = None) -> list[datetime | BadCell | None]:
    """Return the dates of a column; None where blank, a `BadCell` where a cell holds none.

    A time zone is left out: hours are those of the clock on the wall.

    Args:
        rows: Table.
        column: Name of the column.
        order: ``"day"`` or ``"month"``, which comes first where the year is last; None takes it from the
            column.

    Raises:
        BadCell: Nothing tells the order.
    """
    return rows.once(("dates", column, order), lambda: _read_dates(rows, column, order))


def _read_dates(rows: Rows, column: str, order: str | None) -> list[datetime | BadCell | None]:
    cells, blank = rows.cells(column), rows.blank(column)
    texts = [
        None if empty or isinstance(cell, date) else str(cell).strip()
        for cell, empty in zip(cells, blank, strict=True)
    ]
    order = order or date_order([text for text in texts if text is not None])
    values: dict[str | None, datetime | None] = {None: None}
    for text in {*texts} - {None}:
        unclear = order is None and _LAST.fullmatch(str(text)) is not None
        values[text] = None if unclear else _parsed(str(text), order or "day")
    return [
        _whole_day(cell)
        if isinstance(cell, date)
        else values[text]
        if text is None or values[text] is not None
        else _fault(rows, i, column, text, order)
        for i, (cell, text) in enumerate(zip(cells, texts, strict=True))
    ]


def _whole_day(cell: date) -> datetime:
    return (
        cell.replace(tzinfo=None) if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
    )


def _fault(rows: Rows, i: int, column: str, text: str, order: str | None) -> BadCell:
    if order is None and _LAST.fullmatch(text) is not None:
        raise rows.fault(
            i,
            column,
            f"should be a date of which day and month are distinct. Found '{text}', and no number above "
            f"12 in the column. Say which comes first with `date_order: day` or `month`, or write "
            f"2024-01-31.",
        )
    return rows.fault(i, column, f"should hold a date. Found '{text}'. Write it as 2024-01-31.")


def _parsed(text: str, order: str) -> datetime | None:
    match = next((m for f in _FORMATS if (m := f.fullmatch(text)) is not None), None)
    if match is not None:
        parts = match.groupdict()
        name = (parts.get("name") or "")[:3].lower()
        if "name" in parts and name not in _MONTHS:
            return None
        month, day = _MONTHS.index(name) + 1 if name else int(parts["month"]), int(parts["day"])
    else:
        match = _LAST.fullmatch(text)
        if match is None:
            return None
        numbers = int(match["first"]), int(match["second_"])
        day, month = numbers if order == "day" else numbers[::-1]
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    try:
        return datetime(int(match["year"]), month, day, hour, minute, second)
    except ValueError:  # the 30th of February
        return None
