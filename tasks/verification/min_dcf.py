"""The minimum of the detection cost function."""

from __future__ import annotations

from typing import Any

from sennit.tasks.verification.det_curve import OperatingPoint, det_curve


def min_dcf(
    scores: Any, labels: Any, *, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0
) -> OperatingPoint:
    """Return the lowest detection cost over all thresholds, relative to the cost without scores.

    Source: NIST, "2016 Speaker Recognition Evaluation Plan", §3.1,
    ``C = (c_miss p P_miss + c_fa (1 − p) P_fa) / min(c_miss p, c_fa (1 − p))``: 1 is the cost of
    always accepting or always rejecting, whichever is cheaper.

    Args:
        scores: Scores of any scale, higher for the same speaker.
        labels: Labels, 1 or True for the same speaker.
        p_target: Prior probability of the same speaker.
        c_miss: Cost of rejecting the same speaker.
        c_fa: Cost of accepting another speaker.

    Shape:
        scores, labels: the same, any.

    Raises:
        ValueError: As in `det_curve`; or the prior or a cost is out of range.

    Example:
        >>> min_dcf([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], p_target=0.01)
        OperatingPoint(value=0.5, threshold=0.8)
    """
    curve = det_curve(scores, labels)
    costs = curve.costs(p_target=p_target, c_miss=c_miss, c_fa=c_fa)
    best = int(costs.argmin())
    return OperatingPoint(float(costs[best]), float(curve.thresholds[best]))
