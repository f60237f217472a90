"""Bootstrap intervals of an accuracy over several seeds with the same test data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

_DRAWS = 2000
_LEVEL = 95.0


def replicates(correct: Sequence[np.ndarray], units: Sequence[np.ndarray]) -> np.ndarray:
    """Return the accuracy over all seeds under 2,000 resamplings of seeds and of test units.

    Seeds share the test data, so their results are not independent: each replicate draws the seeds
    with replacement, and once for all of them the units, and takes the accuracy of the crossed sample
    (Owen, "The pigeonhole bootstrap", 2007; mildly conservative). With one seed only units are drawn.
    The draws depend on the number of seeds and units alone, so that the difference of two methods'
    replicates is the paired bootstrap of their difference.

    Args:
        correct: Correctness of each test sample, by seed: 0 or 1, and -1 where there is no label.
        units: Unit that each sample was cut from (a video, an utterance), by seed.

    Shape:
        each entry ``[N]``; the result ``[2000]``.

    Example:
        >>> right = np.array([1, 1, 0, 1])
        >>> replicates([right, right], [np.arange(4)] * 2).shape
        (2000,)
    """
    names = np.unique(np.concatenate(units))
    right, count = (np.zeros((len(correct), len(names))) for _ in range(2))
    for seed, (marks, unit) in enumerate(zip(correct, units, strict=True)):
        position, labelled = np.searchsorted(names, unit), marks >= 0
        right[seed] = np.bincount(position[labelled], weights=marks[labelled], minlength=len(names))
        count[seed] = np.bincount(position[labelled], minlength=len(names))
    seeds, drawn = _draws(len(correct)), _draws(len(names))
    total = np.einsum("ru,ru->r", seeds @ count, drawn)
    return np.asarray(np.einsum("ru,ru->r", seeds @ right, drawn) / np.maximum(total, 1))


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the central 95 % of replicates.

    Example:
        >>> interval(np.arange(1001) / 1000)
        (0.025, 0.975)
    """
    low, high = np.percentile(values, [50 - _LEVEL / 2, 50 + _LEVEL / 2])
    return float(low), float(high)


@lru_cache(maxsize=8)
def _draws(size: int) -> np.ndarray:
    """Return how often each of ``size`` things is drawn in each replicate ``[2000, size]``."""
    if size == 1:
        return np.ones((_DRAWS, 1), dtype=np.float32)
    counts = np.random.default_rng(size).multinomial(size, [1 / size] * size, size=_DRAWS)
    return counts.astype(np.float32)
