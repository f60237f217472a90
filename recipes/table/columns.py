"""What a column looks like from its contents."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sennit.extras import require

_FEW = 50  # values that a column of categories has, at most
_LONG = 20  # characters of a text rather than of a name, on average


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        texts: Its cells that are not blank.
        rows: How many the table has.

    Example:
        >>> Column("size", ["1", "2.5", "2.5", "7"], rows=4).numeric()
        True
    """

    name: str
    texts: list[str]
    rows: int

    @property
    def distinct(self) -> list[str]:
        return sorted(set(self.texts))

    def numeric(self) -> bool:
        """Whether all are numbers."""
        return bool(self.texts) and all(_is_number(text) for text in self.texts)

    def whole(self) -> bool:
        """Whether all are whole numbers, being numbers."""
        return all(float(text).is_integer() for text in self.texts)

    def long(self) -> bool:
        """Whether they are texts rather than names."""
        return sum(map(len, self.texts)) / len(self.texts) > _LONG or sum(" " in t for t in self.texts) > (
            len(self.texts) / 2
        )

    def counts_up(self) -> bool:
        """Whether the values are those of a counter of rows."""
        numbers = [float(text) for text in self.texts]
        return all(b - a == 1 for a, b in pairwise(numbers))

    def few(self) -> bool:
        """Whether there are few different ones, as of a category."""
        return len(self.distinct) <= min(_FEW, max(2, self.rows // 2))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|nan|NaN", text) is not None


def most_common_rate(paths: list[Path]) -> int:
    """The sample rate in Hz of most of the sound files that can be read."""
    soundfile, rates = require("soundfile", "audio"), Counter[int]()
    for path in paths:
        try:
            rates[soundfile.info(str(path)).samplerate] += 1
        except RuntimeError:  # the check before the training names it
            continue
    return rates.most_common(1)[0][0] if rates else 16000
