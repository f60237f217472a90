"""Columns that give a target away: its copies, its numbers in other units, and functions of it."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from scipy.stats import rankdata

from sennit.recipes.table.schema.column_contents import ColumnContents

_FEWEST = 20  # rows of which two columns may agree not just by chance
_CORRELATION = 0.999
_ENOUGH = 5000  # rows whose ranks are compared
_CHANCE = math.log(1e-4)  # of columns that have nothing to do with one another
_FEW = 20  # different values, at most, of a column of classes


def twin_reason(column: ColumnContents, target: ColumnContents) -> str | None:
    """Return the reason why a column gives a target away, or None.

    Two columns of numbers are compared by their ranks, so that a logarithm is no disguise. A column that
    has one value for each value of the target is a function of it, unless that may well be chance.

    Args:
        column: Column that might be an input.
        target: Column to learn.

    Example:
        >>> grams = ColumnContents("g", [str(i * i) for i in range(30)])
        >>> twin_reason(ColumnContents("kg", [str(i * i / 1000) for i in range(30)]), grams)
        "its numbers follow those of 'g' (correlation 1.0000)"
    """
    both = [
        (a, b) for a, b in zip(column.names, target.names, strict=True) if a is not None and b is not None
    ]
    if len(both) < _FEWEST:
        return None
    if column.numeric() and target.numeric() and not target.few(_FEW) and not column.few(2):
        return _correlated(column, target, both)
    return _function(target.name, both)


def _correlated(column: ColumnContents, target: ColumnContents, both: list[tuple[str, str]]) -> str | None:
    x = np.array([(column.number(a), target.number(b)) for a, b in both[:_ENOUGH]])
    if not np.isfinite(x).all() or not np.ptp(x, 0).all():
        return None
    ranks = np.apply_along_axis(rankdata, 0, x)
    r = abs(float(np.corrcoef(ranks.T)[0, 1]))
    return f"its numbers follow those of '{target.name}' (correlation {r:.4f})" if r > _CORRELATION else None


def _function(target: str, both: list[tuple[str, str]]) -> str | None:
    """Return the reason for a column with one value for each value of a target."""
    value_of: dict[str, str] = {}
    for value, label in both:
        if value_of.setdefault(label, value) != value:
            return None
    shares = {value: math.log(n / len(both)) for value, n in Counter(v for v, _ in both).items()}
    counts = Counter(label for _, label in both)
    if len(shares) < 2:
        return None
    # A label of n rows has one value throughout with probability Σ p^n.
    logs = np.array(list(shares.values()))
    chance = sum(float(np.logaddexp.reduce(n * logs)) for n in counts.values())
    if chance > _CHANCE:
        return None
    if len(shares) == len(counts):
        return f"its values tell those of '{target}'"
    return f"each value of '{target}' has one value of it"
