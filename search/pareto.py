"""Which candidates no other beats, and how much of the plane they beat."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_front(values: Sequence[Sequence[float]]) -> list[int]:
    """The places of the values that no others are at least as small as in all and smaller in one.

    Of equal values the first counts; what is not finite never does.

    Example:
        >>> pareto_front([(3, 1), (1, 3), (2, 2), (2, 2), (3, 3), (float("inf"), 0)])
        [1, 2, 0]
    """
    finite = (i for i, value in enumerate(values) if all(math.isfinite(v) for v in value))
    front: list[int] = []
    # In this order none is dominated by a later one.
    for i in sorted(finite, key=lambda i: (tuple(values[i]), i)):
        if not any(all(a <= b for a, b in zip(values[k], values[i], strict=True)) for k in front):
            front.append(i)
    return front


def hypervolume(points: Sequence[tuple[float, float]], reference: tuple[float, float]) -> float:
    """The area between the points and the reference, both objectives made small.

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
