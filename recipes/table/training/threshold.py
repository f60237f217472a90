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
_DRAWS = 200


def _rates(weights: Floats, true: Flags, chosen: Flags) -> tuple[Any, Any, Any, Any]:
    """Return weighted counts of true and false positives, false and true negatives."""
    hits, alarms = (weights * (true & chosen)).sum(-1), (weights * (~true & chosen)).sum(-1)
    return hits, alarms, (weights * (true & ~chosen)).sum(-1), (weights * (~true & ~chosen)).sum(-1)


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

    It is .5 unless another one is better by more than the standard error of the difference, which the same
    rows drawn again (the bootstrap) give.

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
        return 0.5, f"threshold .5, as {count} validation rows with {int(true.sum())} of it do not choose one"
    name = metric if metric in SCORES else "balanced_accuracy"
    score, once = SCORES[name], np.ones(count)
    values = np.unique(p)
    middles = (values[1:] + values[:-1]) / 2
    if len(middles) > _MOST:
        middles = np.quantile(middles, np.linspace(0, 1, _MOST))
    scores = np.array([score(*_rates(once, true, p > t)) for t in middles])
    if not len(scores):
        return 0.5, "threshold .5, as all probabilities are the same"
    best = middles[scores >= scores.max() - 1e-12]
    threshold = float(best[len(best) // 2])
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=_DRAWS)
    gains = score(*_rates(weights, true, p > threshold)) - score(*_rates(weights, true, p > 0.5))
    gain, error = float(scores.max() - score(*_rates(once, true, p > 0.5))), float(gains.std())
    if gain <= error:
        return 0.5, f"threshold .5: none is better in {name} by more than its standard error"
    return threshold, f"threshold {threshold:.3g}: {name} {gain:+.3f} over that of .5 by {count} rows"
