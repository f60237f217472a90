"""All thresholds over a set of trials, after one sort."""

from __future__ import annotations

from functools import cached_property

import numpy as np


class Sweep:
    """Trials sorted once, and the thresholds at which the DET curve bends.

    A trial is accepted when its score is at least the threshold. Between two target scores the miss rate
    is constant, so that the curve is straight: its corners lie at each distinct target score and right
    above it. There are at most twice as many as targets, whatever the number of non-targets.

    Args:
        targets: Scores of trials of the same speaker, sorted.
        others: Scores of the other trials, sorted.

    Attributes:
        thresholds: Thresholds of the corners, increasing; the last is infinite and accepts nothing.
        misses: Number of targets below each.
        rejected: Number of non-targets below each.

    Shape:
        targets ``[T]``, others ``[N]``; thresholds, misses, rejected ``[K]``, K at most 2 T + 2.
    """

    def __init__(self, targets: np.ndarray, others: np.ndarray) -> None:
        self.targets, self.others = targets, others
        new = np.concatenate([[True], targets[1:] != targets[:-1]])
        at = targets[new]
        first = np.flatnonzero(new)
        behind = np.append(first[1:], len(targets))
        low = np.searchsorted(others, at, "left")
        high = np.searchsorted(others, at, "right")
        above = np.minimum(_at(targets, behind), _at(others, high))
        bottom, top = min(targets[0], others[0]), np.inf
        thresholds = np.concatenate([[bottom], np.stack([at, above], 1).ravel(), [top]])
        misses = np.concatenate([[0], np.stack([first, behind], 1).ravel(), [len(targets)]])
        rejected = np.concatenate([[0], np.stack([low, high], 1).ravel(), [len(others)]])
        keep = np.concatenate([[True], thresholds[1:] != thresholds[:-1]])
        self.thresholds, self.misses, self.rejected = thresholds[keep], misses[keep], rejected[keep]

    @cached_property
    def rates(self) -> tuple[np.ndarray, np.ndarray]:
        """Miss and false-alarm rates at the corners."""
        targets, others = len(self.targets), len(self.others)
        return self.misses / targets, (others - self.rejected) / others


def _at(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the values at some positions, infinity beyond the end."""
    inside = positions < len(values)
    return np.where(inside, values[np.where(inside, positions, 0)], np.inf)


def sweep(scores: np.ndarray, labels: np.ndarray) -> Sweep:
    """Return the sweep of checked trials.

    The two kinds are sorted separately: sorting values is several times faster than sorting them with labels.
    """
    targets, others = scores[labels], scores[~labels]
    targets.sort()
    others.sort()
    return Sweep(targets, others)
