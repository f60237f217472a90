"""Metrics of test rows that are drawn again: the bootstrap behind the intervals of the report."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sennit.recipes.table.report.weighted import OF_CLASSES, OF_COLUMNS, OF_RANKS

Floats = NDArray[np.float64]
_DRAWS, _FEWEST, _VALUES = 1000, 200, 4_000_000
_MOST = 2_000_000  # weights at a time


def resampled(
    metric: str,
    scores: Floats,
    targets: Floats,
    counted: NDArray[np.bool_],
    units: NDArray[np.int64],
    *,
    ranked: bool = False,
) -> Floats | None:
    """Return a metric under many draws of the units, with replacement; None for a metric without one here.

    There are 1,000 draws of up to 4,000 rows, and fewer of more rows, but 200 or more.
    The draws depend on the number of units alone, so that the difference of two models' values is the paired
    bootstrap of their difference (Efron & Tibshirani 1993, "An Introduction to the Bootstrap", §16).

    Args:
        metric: Name of the metric.
        scores: Probability of each class or label, or the predicted numbers.
        targets: Classes, or labels and numbers.
        counted: Entries of the targets that are labels.
        units: Unit that each row is drawn with: itself, or its group.
        ranked: Whether the classes have an order, so that the median class is the answer.

    Shape:
        scores ``[N, C]``, targets and counted ``[N]`` for classes and ``[N, C]`` otherwise, units ``[N]``;
        the result ``[R]``, NaN where a draw leaves the metric undefined.

    Example:
        >>> p, y = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0.0, 1.0])
        >>> values = resampled("accuracy", p, y, np.ones(2, dtype=bool), np.arange(2))
        >>> sorted(set(values.tolist()))
        [0.0, 0.5, 1.0]
    """
    of_classes = OF_RANKS if ranked else OF_CLASSES
    figure = (of_classes if targets.ndim == 1 else OF_COLUMNS).get(metric)
    if figure is None:
        return None
    if targets.ndim == 1:
        scores, targets, units = scores[counted], targets[counted], units[counted]
    else:
        rows = counted.any(1)
        scores, targets, units = scores[rows], np.where(counted, targets, np.nan)[rows], units[rows]
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice")  # a draw without any class or label
        return np.concatenate([figure(weights, scores, targets) for weights in _weights(units)])


def _weights(units: NDArray[np.int64]) -> Iterator[Floats]:
    """Yield how often each row is drawn ``[R, N]``, some draws at a time."""
    names, unit = np.unique(units, return_inverse=True)
    rng = np.random.default_rng(len(names))
    draws = min(_DRAWS, max(_FEWEST, _VALUES // len(units)))
    size = max(1, _MOST // len(units))
    for start in range(0, draws, size):
        count = min(size, draws - start)
        drawn = rng.integers(len(names), size=(count, len(names)))
        offsets = np.arange(count)[:, None] * len(names)
        times = np.bincount((drawn + offsets).ravel(), minlength=count * len(names))
        yield times.reshape(count, len(names))[:, unit].astype(np.float64)
