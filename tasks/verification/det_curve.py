"""The detection-error-tradeoff curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sennit.tasks.verification._checks import check_cost, check_trials
from sennit.tasks.verification._sweep import sweep


class OperatingPoint(NamedTuple):
    """The value of a metric, and the threshold that reaches it; scores at least as high are accepted."""

    value: float
    threshold: float


@dataclass(frozen=True)
class DetCurve:
    """Miss and false-alarm rates at the corners of the curve, which straight lines connect.

    Attributes:
        thresholds: Increasing thresholds; scores at least as high are accepted. The last is infinite.
        miss: Share of the target trials that are rejected.
        false_alarm: Share of the non-target trials that are accepted.

    Shape:
        each ``[K]``, K at most twice the number of target trials, plus two.
    """

    thresholds: np.ndarray
    miss: np.ndarray
    false_alarm: np.ndarray

    def crossing(self) -> int:
        """Return the last corner at which the miss rate does not exceed the false-alarm rate."""
        return int(np.flatnonzero(self.miss <= self.false_alarm)[-1])

    def equal_error_rate(self) -> float:
        """Return the rate at which the curve crosses the diagonal; see the function `equal_error_rate`."""
        here = self.crossing()
        before = self.false_alarm[here] - self.miss[here]
        after = self.miss[here + 1] - self.false_alarm[here + 1]
        return float(self.miss[here] + before / (before + after) * (self.miss[here + 1] - self.miss[here]))

    def costs(self, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> np.ndarray:
        """Return the normalised detection cost at each threshold; see the function `min_dcf`."""
        check_cost(p_target, c_miss, c_fa)
        missing, alarming = c_miss * p_target, c_fa * (1 - p_target)
        return (missing * self.miss + alarming * self.false_alarm) / min(missing, alarming)

    def min_dcf(self, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
        """Return the lowest normalised detection cost; see the function `min_dcf`."""
        return float(self.costs(p_target=p_target, c_miss=c_miss, c_fa=c_fa).min())


def det_curve(scores: Any, labels: Any) -> DetCurve:
    """Return miss against false-alarm rates at all thresholds.

    Source: Martin et al., "The DET Curve in Assessment of Detection Task Performance", Eurospeech 1997.
    It takes O(N log N) time and O(N) memory, and equals a count at every distinct score, except that points
    on a straight line are left out. Tied scores are accepted or rejected together.

    Args:
        scores: Scores of any scale, higher for the same speaker.
        labels: Labels, 1 or True for the same speaker.

    Shape:
        scores, labels: the same, any.

    Raises:
        ValueError: The shapes differ, a score is not finite, or a kind of trial is missing.

    Example:
        >>> curve = det_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        >>> curve.miss.tolist(), curve.false_alarm.tolist()
        ([0.0, 0.0, 0.5, 0.5, 1.0], [1.0, 0.5, 0.5, 0.0, 0.0])
    """
    trials = sweep(*check_trials(scores, labels))
    return DetCurve(trials.thresholds, *trials.rates)
