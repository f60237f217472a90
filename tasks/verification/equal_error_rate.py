"""The equal error rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from sennit.tasks.verification._checks import check_trials
from sennit.tasks.verification._sweep import Sweep, sweep
from sennit.tasks.verification.det_curve import DetCurve, OperatingPoint


def equal_error_rate(scores: Any, labels: Any) -> OperatingPoint:
    """The rate at which as many targets are missed as non-targets are accepted, and its threshold.

    Source: Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.
    Where no threshold makes both rates equal, the straight line between the two neighbouring thresholds
    is followed to the diagonal (not the convex hull, which is lower: Brümmer and de Villiers, "The
    BOSARIS Toolkit", 2011). The threshold is the score whose rates are nearest each other.

    Args:
        scores: Higher for the same speaker; of any scale.
        labels: 1 or True where the trial is of the same speaker.

    Shape:
        scores, labels: the same, any.

    Units:
        a rate from 0 to 1, not per cent.

    Raises:
        ValueError: Shapes differ, a score is not finite, or one of the kinds is missing.

    Example:
        >>> equal_error_rate([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        OperatingPoint(value=0.5, threshold=0.4)
    """
    found = sweep(*check_trials(scores, labels))
    curve = DetCurve(found.thresholds, *found.rates)
    return OperatingPoint(curve.equal_error_rate(), _threshold(found, curve))


def _threshold(found: Sweep, curve: DetCurve) -> float:
    """The threshold at which the rates differ least; the lowest of several."""
    here = curve.crossing()
    candidates = [curve.thresholds[here], curve.thresholds[here + 1]]
    others = found.others
    # On the line between the corners only non-targets lie: take those about the crossing too.
    near = round(len(others) * (1 - curve.miss[here + 1]))
    near = min(max(near, found.rejected[here]), found.rejected[here + 1])
    for place in (near, np.searchsorted(others, others[min(near, len(others) - 1)], "right")):
        if found.rejected[here] <= place < found.rejected[here + 1]:
            candidates.append(others[place])
    values = np.unique(candidates)
    miss = np.searchsorted(found.targets, values) / len(found.targets)
    false_alarm = 1 - np.searchsorted(others, values) / len(others)
    return float(values[np.abs(miss - false_alarm).argmin()])
