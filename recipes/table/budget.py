"""The time that a command may take."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(duration: str | float) -> float:
    """Return a duration such as ``"90s"``, ``"10m"``, ``"1h"`` or ``"1h30m"`` in seconds.

    Args:
        duration: Numbers, each with its unit; a number alone is of seconds.

    Units:
        Seconds.

    Raises:
        ValueError: It is no duration, or none above 0.

    Example:
        >>> seconds_of("10m"), seconds_of("1h30m"), seconds_of("45"), seconds_of(45)
        (600.0, 5400.0, 45.0, 45.0)
    """
    compact = str(duration).strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", compact)
    if "".join(number + unit for number, unit in parts) == compact:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    else:
        seconds = float(compact) if re.fullmatch(r"\d+(\.\d+)?", compact) else 0.0
    if seconds <= 0:
        raise ValueError(f"--time_limit should be a duration such as 90s, 10m or 1h. Found '{duration}'.")
    return seconds


@dataclass(frozen=True)
class Budget:
    """The time that a command may take, from its start.

    Args:
        seconds: Seconds in all; None sets no limit.
        start: Start of the command, by `time.monotonic`.

    Example:
        >>> Budget(None).remaining() is None
        True
        >>> 0 < Budget(60).remaining() <= 60
        True
    """

    seconds: float | None
    start: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, duration: str | float | None) -> Budget:
        """Start the time that an option such as ``"10m"`` grants."""
        return cls(None if duration is None else seconds_of(duration))

    def elapsed(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.start

    def remaining(self, share: float = 1.0) -> float | None:
        """Return a share of the seconds that remain, at least one; None without a limit.

        Args:
            share: Share of them, from 0 to 1.
        """
        return None if self.seconds is None else max(1.0, share * (self.seconds - self.elapsed()))

    def for_training(self) -> float | None:
        """Return the seconds of the training: what remains, less a part for the evaluation and the report.

        That part is a fifth, or 20 seconds where these are more, but no more than half.

        Example:
            >>> Budget(None).for_training() is None
            True
            >>> round(Budget(30).for_training()), round(Budget(600).for_training())
            (15, 480)
        """
        rest = self.remaining()
        return None if rest is None else rest - max(0.2 * rest, min(20.0, 0.5 * rest))
