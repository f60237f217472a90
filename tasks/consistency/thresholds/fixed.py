"""One threshold for all."""

from __future__ import annotations

from torch import Tensor

from sennit.tasks._base import Task
from sennit.tasks.consistency.thresholds._base import Guesses, Threshold, register_threshold


@register_threshold("fixed")
class Fixed(Threshold):
    """Weighs a guess by 1 if its confidence is at least a number, and by 0 if not.

    Source: Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence"
    (eq. 4).

    Args:
        least: Least confidence.

    Raises:
        ValueError: ``least`` is not from 0 to 1.

    Example:
        >>> Fixed(0.95).least
        0.95
    """

    def __init__(self, least: float) -> None:
        super().__init__()
        if not 0 <= least <= 1:
            raise ValueError(f"`threshold` should be from 0 to 1. Found {least}.")
        self.least = least

    def weights(self, lender: Task, guesses: Guesses) -> Tensor:
        return (guesses.confidence >= self.least).to(guesses.confidence.dtype)
