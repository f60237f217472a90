"""Calibration by one number, the temperature.

Guo et al. 2017, "On Calibration of Modern Neural Networks", §4.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]
FEWEST = 20
"""Validation rows, or events, from which a temperature is chosen."""
RANGE = (np.log(0.2), np.log(10.0))
"""Bounds of the logarithm of a temperature."""
_TINY = 1e-12


def tempered(p: Floats, temperature: float, *, labels: bool = False) -> Floats:
    """Return ``p^{1/T} / Σ p^{1/T}``: over the classes, or over each label and its opposite.

    Args:
        p: Probabilities.
        temperature: Temperature ``T``.
        labels: Whether they are of labels, each true or not.

    Shape:
        p and result ``[N, C]``.

    Example:
        >>> tempered(np.array([[0.8, 0.2]]), 1.0).round(3).tolist()
        [[0.8, 0.2]]
        >>> tempered(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
        [[0.667, 0.333]]
    """
    p = np.clip(p, _TINY, None)
    if labels:
        odds = (np.log(p) - np.log(np.clip(1 - p, _TINY, None))) / temperature
        return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700, 700))))
    scores = np.log(p) / temperature
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def fit_temperature(p: Floats, true: NDArray[Any]) -> tuple[float, str]:
    """Return the temperature with the least cross-entropy, and a phrase that says what it is from.

    One more row is counted, shared evenly by the classes, so that rows that are all right do not make the
    model sure of everything (Platt 1999, "Probabilistic Outputs for Support Vector Machines", §2.2).

    Args:
        p: Probabilities of validation rows.
        true: Their classes.

    Shape:
        p ``[N, C]``, true ``[N]``.

    Example:
        >>> p = np.array([[0.99, 0.01]] * 40)  # sure, and right three times of four
        >>> temperature, _ = fit_temperature(p, np.array([0, 0, 0, 1] * 10))
        >>> round(float(tempered(p[:1], temperature)[0, 0]), 2)
        0.74
    """
    count = len(true)
    if count < FEWEST:
        return 1.0, f"temperature 1, as {count} validation rows are too few to choose it"
    share = np.eye(p.shape[1])[true.astype(np.int64)]
    smooth = (count * share + 1 / p.shape[1]) / (count + 1)

    def cost(log_temperature: float) -> float:
        return float(-(smooth * np.log(tempered(p, np.exp(log_temperature)) + _TINY)).sum(1).mean())

    least = minimize_scalar(cost, bounds=RANGE, method="bounded")
    temperature = float(np.exp(least.x)) if least.fun < cost(0.0) else 1.0
    return temperature, f"temperature {temperature:.3g} by {count} validation rows"
