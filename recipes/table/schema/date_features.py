"""Numbers of dates: parts of a calendar and a clock, and the days since another date."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from sennit.recipes.table.reading.rows import BadCell
from sennit.registry import check_names

Date = datetime | BadCell | None
_DAY_S = 86400.0
_EPOCH = datetime(1970, 1, 1)
_SINCE = "since "
_CYCLES: Mapping[str, Callable[[datetime], float]] = {
    "month": lambda d: (d.month - 1) / 12,
    "weekday": lambda d: d.weekday() / 7,
    "day_of_year": lambda d: (d.timetuple().tm_yday - 1) / 366,
    "hour": lambda d: (d.hour + d.minute / 60) / 24,
}
"""Share of a cycle that has passed; its sine and cosine are the numbers."""
PARTS = ("year", "days", *_CYCLES)
"""Parts of a date: ``days`` are those since 1970."""


def check_parts(parts: Sequence[str]) -> None:
    """Refuse what is no part of a date.

    Raises:
        ValueError: A part is unknown.
    """
    check_names(
        "part of a date (or 'since' and another column)",
        [part for part in parts if not part.startswith(_SINCE)],
        PARTS,
    )


def other_dates(parts: Sequence[str]) -> list[str]:
    """Return the columns since whose dates days are counted.

    Example:
        >>> other_dates(["year", "since born"])
        ['born']
    """
    return [part.removeprefix(_SINCE).strip() for part in parts if part.startswith(_SINCE)]


def default_parts(dates: Sequence[Date]) -> list[str]:
    """Return parts of some dates: the year and the hour only if they differ, and the cycles of the calendar.

    Example:
        >>> default_parts([datetime(2024, 1, 15), datetime(2024, 3, 2)])
        ['month', 'weekday', 'day_of_year']
    """
    values = [d for d in dates if isinstance(d, datetime)]
    parts = ["year"] if len({d.year for d in values}) > 1 else []
    parts += ["month", "weekday", "day_of_year"]
    return parts + (["hour"] if any(d.hour or d.minute for d in values) else [])


def feature_names(column: str, parts: Sequence[str]) -> list[str]:
    """Return the names of the numbers of a column.

    Example:
        >>> feature_names("admitted", ["year", "month"])
        ['admitted.year', 'admitted.month_sin', 'admitted.month_cos']
    """
    names = []
    for part in parts:
        names += [f"{part}_sin", f"{part}_cos"] if part in _CYCLES else [part]
    return [f"{column}.{name}" for name in names]


def date_features(
    dates: Sequence[Date], parts: Sequence[str], others: Mapping[str, Sequence[Date]]
) -> list[list[float | BadCell | None]]:
    """Return the numbers of each part of a column of dates, in the order of `feature_names`.

    Args:
        dates: Dates of the column; None where blank, a fault where a cell holds none.
        parts: Parts.
        others: Dates of the columns since which days are counted.
    """
    columns: list[list[float | BadCell | None]] = []
    for part in parts:
        if part in _CYCLES:
            columns += [_each(dates, partial(_wave, f, _CYCLES[part])) for f in (math.sin, math.cos)]
        elif part == "year":
            columns.append(_each(dates, lambda d: float(d.year)))
        elif part == "days":
            columns.append(_each(dates, lambda d: (d - _EPOCH).total_seconds() / _DAY_S))
        else:
            since = others[other_dates([part])[0]]
            columns.append([_elapsed(d, s) for d, s in zip(dates, since, strict=True)])
    return columns


def _each(dates: Sequence[Date], number: Callable[[datetime], float]) -> list[float | BadCell | None]:
    numbers = {d: number(d) for d in {*dates} if isinstance(d, datetime)}  # a table repeats its days
    return [numbers[d] if isinstance(d, datetime) else d for d in dates]


def _wave(f: Callable[[float], float], share: Callable[[datetime], float], date: datetime) -> float:
    return f(2 * math.pi * share(date))


def _elapsed(date: Date, since: Date) -> float | BadCell | None:
    """Return the days from one date to another; the first fault, or None where either is blank."""
    for value in (date, since):
        if isinstance(value, BadCell):
            return value
    if date is None or since is None:
        return None
    assert isinstance(date, datetime)
    assert isinstance(since, datetime)
    return (date - since).total_seconds() / _DAY_S
