"""The cost of log-likelihood ratios (Cllr)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sennit.tasks.verification._checks import check_trials
from sennit.tasks.verification.det_curve import det_curve


def cllr(llrs: Any, labels: Any) -> float:
    """Return the cost of log-likelihood ratios, averaged over all priors and costs, in bits.

    Source: Brümmer and du Preez, "Application-independent evaluation of speaker detection", 2006:
    ``½ (mean over targets of log₂(1 + e^−llr) + mean over non-targets of log₂(1 + e^llr))``. It is 1 for
    ratios without information, and exceeds `min_cllr` by the loss from bad calibration.

    Args:
        llrs: Calibrated scores: natural log-likelihood ratios.
        labels: Labels, 1 or True for the same speaker.

    Shape:
        llrs, labels: the same, any.

    Raises:
        ValueError: As in `det_curve`.

    Example:
        >>> cllr([0.0, 0.0], [1, 0])
        1.0
    """
    x, y = check_trials(llrs, labels)
    x = x.astype(np.float64)
    cost = np.logaddexp(0, -x[y]).mean() + np.logaddexp(0, x[~y]).mean()
    return float(cost / 2 / np.log(2))


def min_cllr(scores: Any, labels: Any) -> float:
    """Return `cllr` after the best calibration that keeps the order of the scores.

    Source: Brümmer and du Preez 2006, §5: pool adjacent violators.

    Args:
        scores: Scores of any scale, higher for the same speaker.
        labels: Labels, 1 or True for the same speaker.

    Shape:
        scores, labels: the same, any.

    Raises:
        ValueError: As in `det_curve`.

    Example:
        >>> min_cllr([-3.0, 5.0], [0, 1]), min_cllr([5.0, -3.0], [0, 1])
        (0.0, 1.0)
    """
    from sklearn.isotonic import IsotonicRegression

    curve = det_curve(scores, labels)
    targets, others = np.diff(curve.miss), -np.diff(curve.false_alarm)
    mass = targets + others
    p = IsotonicRegression().fit_transform(np.arange(len(mass)), targets / mass, sample_weight=mass)
    # Where a kind is missing, its logarithm may be infinite.
    has_target, has_other = targets > 0, others > 0
    cost = -targets[has_target] @ np.log2(p[has_target]) - others[has_other] @ np.log2(1 - p[has_other])
    cost += 0.0  # no negative zero
    return float(cost / 2)
