"""Pareto fronts and their hypervolume."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_front(values: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the non-dominated points, all values being minimised.

    Of equal points the first counts; points that are not finite never do.

    Example:
        >>> pareto_front([(3, 1), (1, 3), (2, 2), (2, 2), (3, 3), (float("inf"), 0)])
        [1, 2, 0]
    """
    finite = (i for i, value in enumerate(values) if all(math.isfinite(v) for v in value))
    front: list[int] = []
    # In this order no point is dominated by a later one.
    for i in sorted(finite, key=lambda i: (tuple(values[i]), i)):
        if not any(all(a <= b for a, b in zip(values[k], values[i], strict=True)) for k in front):
            front.append(i)
    return front


def hypervolume(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> float:
    """Return the area that the points dominate, up to the reference; both objectives are minimised.

    Source: Zitzler and Thiele 1999, "Multiobjective Evolutionary Algorithms: A Comparative Case Study and
    the Strength Pareto Approach" (§3.1), in two dimensions.

    Example:
        >>> hypervolume([(0.0, 0.5), (0.5, 0.0), (0.9, 0.9)], (1.0, 1.0))
        0.75
    """
    area, low = 0.0, reference[1]
    for x, y in sorted(points):
        if x < reference[0] and y < low:
            area += (reference[0] - x) * (low - y)
            low = y
    return area
