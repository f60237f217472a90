"""The equal error rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from sennit.tasks.verification._checks import check_trials
from sennit.tasks.verification._sweep import Sweep, sweep
from sennit.tasks.verification.det_curve import DetCurve, OperatingPoint


def equal_error_rate(scores: Any, labels: Any) -> OperatingPoint:
    """Return the rate at which misses and false alarms are equally frequent, and its threshold.

    Source: Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.
    Where no threshold makes both rates equal, the rate is that at which the straight line between the two
    neighbouring thresholds meets the diagonal (not the convex hull, which is lower: Brümmer and de
    Villiers, "The BOSARIS Toolkit", 2011). The threshold is the score whose rates differ least.

    Args:
        scores: Scores of any scale, higher for the same speaker.
        labels: Labels, 1 or True for the same speaker.

    Shape:
        scores, labels: the same, any.

    Units:
        a rate from 0 to 1, not per cent.

    Raises:
        ValueError: The shapes differ, a score is not finite, or a kind of trial is missing.

    Example:
        >>> equal_error_rate([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        OperatingPoint(value=0.5, threshold=0.4)
    """
    trials = sweep(*check_trials(scores, labels))
    curve = DetCurve(trials.thresholds, *trials.rates)
    return OperatingPoint(curve.equal_error_rate(), _threshold(trials, curve))


def _threshold(trials: Sweep, curve: DetCurve) -> float:
    """Return the threshold at which the rates differ least; the lowest of several."""
    here = curve.crossing()
    candidates = [curve.thresholds[here], curve.thresholds[here + 1]]
    others = trials.others
    # Only non-targets lie on the line between the corners: those near the crossing are candidates too.
    near = round(len(others) * (1 - curve.miss[here + 1]))
    near = min(max(near, trials.rejected[here]), trials.rejected[here + 1])
    for place in (near, np.searchsorted(others, others[min(near, len(others) - 1)], "right")):
        if trials.rejected[here] <= place < trials.rejected[here + 1]:
            candidates.append(others[place])
    values = np.unique(candidates)
    miss = np.searchsorted(trials.targets, values) / len(trials.targets)
    false_alarm = 1 - np.searchsorted(others, values) / len(others)
    return float(values[np.abs(miss - false_alarm).argmin()])
