"""The probability from which the second of two classes is the answer, by validation rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_FEWEST = 20  # validation rows
_MOST = 200  # thresholds that are tried
_DRAWS = 100


def _counts(weights: NDArray[Any], true: Flags, chosen: NDArray[Any]) -> tuple[Any, Any, Any, Any]:
    """Return weighted counts of true and false positives, false and true negatives.

    Shape:
        weights ``[D, N]``, true ``[N]``, chosen ``[N, T]``, results ``[D, T]``.
    """
    positives, negatives = weights * true, weights * ~true
    hits, alarms = positives @ chosen, negatives @ chosen
    return hits, alarms, positives.sum(1)[:, None] - hits, negatives.sum(1)[:, None] - alarms


def _accuracy(tp: Any, fp: Any, fn: Any, tn: Any) -> Any:
    return (tp + tn) / (tp + fp + fn + tn)


def _balanced_accuracy(tp: Any, fp: Any, fn: Any, tn: Any) -> Any:
    return (tp / np.maximum(tp + fn, 1e-9) + tn / np.maximum(tn + fp, 1e-9)) / 2


def _f1_macro(tp: Any, fp: Any, fn: Any, tn: Any) -> Any:
    wrong = fp + fn
    return tp / np.maximum(2 * tp + wrong, 1e-9) + tn / np.maximum(2 * tn + wrong, 1e-9)


SCORES: Mapping[str, Callable[[Any, Any, Any, Any], Any]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1_macro": _f1_macro,
}
"""Scores by the name of the metric; those that need no threshold choose by the balanced accuracy."""


def choose_threshold(p: Floats, true: Flags, metric: str) -> tuple[float, str]:
    """Return the threshold that is best by a metric, and a phrase that says why.

    It is .5 unless another one is better by more than the standard error of the difference, and unless the
    choice, made anew on rows drawn with replacement, is also better on the rows that were not drawn (the
    bootstrap, Efron and Tibshirani 1997, "Improvements on Cross-Validation"): the best of many is.

    Args:
        p: Probability of the second class.
        true: Whether that is the row's class.
        metric: Metric of the target.

    Shape:
        p and true ``[N]``.

    Example:
        >>> p = np.linspace(0, 0.4, 100)
        >>> threshold, _ = choose_threshold(p, p > 0.3, "f1_macro")
        >>> 0.29 < threshold < 0.31
        True
    """
    count = len(p)
    if count < _FEWEST or true.all() or not true.any():
        return 0.5, f"threshold .5, as {count} validation rows, {int(true.sum())} of them true, choose none"
    values = np.unique(p)
    middles = (values[1:] + values[:-1]) / 2
    if len(middles) > _MOST:
        middles = np.quantile(middles, np.linspace(0, 1, _MOST))
    tried = np.append(middles, 0.5)  # the last is what the others are compared with
    name = metric if metric in SCORES else "balanced_accuracy"
    chosen = (p[:, None] > tried).astype(np.float32)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=_DRAWS)
    weights = np.concatenate([np.ones((1, count)), draws, draws == 0]).astype(np.float32)
    scores = SCORES[name](*_counts(weights, true, chosen))
    gains = scores - scores[:, -1:]
    drawn, others = gains[1 : _DRAWS + 1], gains[_DRAWS + 1 :]
    best = np.flatnonzero(gains[0] >= gains[0].max() - 1e-6)
    k = int(best[len(best) // 2])
    unseen = float(np.take_along_axis(others, drawn.argmax(1)[:, None], 1).mean())
    if gains[0, k] <= drawn[:, k].std() or unseen <= 0:
        return 0.5, f"threshold .5: none is better in {name} by more than its standard error"
    why = f"{name} {gains[0, k]:+.3f} over that of .5 by {count} validation rows"
    return float(tried[k]), f"threshold {tried[k]:.3g}: {why}"
