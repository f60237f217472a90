"""Non-negative least squares, and the two problems of a Gramian that it solves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sennit.tasks.balancing.gramian_rule import Array

Mask = NDArray[np.bool_]
_TOLERANCE = 1e-12


def nonnegative_least_squares(a: Array, b: Array, start: Mask | None = None) -> Array:
    """``min ‖a x − b‖`` over ``x ≥ 0``, exactly, by growing the set of entries that are not zero.

    Source: Lawson & Hanson 1974, "Solving Least Squares Problems" (chapter 23).

    Args:
        a: Of any rank.
        b: What to come near to.
        start: The entries that are not zero in a similar problem's solution; where they are of this
            one's too, one step is enough. None starts from zero.

    Shape:
        a ``[M, N]``, b ``[M]``, start ``[N]`` of bool, result ``[N]``.

    Example:
        >>> nonnegative_least_squares(np.eye(2), np.array([1.0, -1.0])).tolist()
        [1.0, 0.0]
    """
    scale = np.linalg.norm(a, axis=0)
    scale = np.where(scale > 0, scale, 1)
    a = a / scale
    x, free = np.zeros(a.shape[1]), np.zeros(a.shape[1], dtype=bool)
    if start is not None and start.any():
        wanted = _least_squares(a, b, start)
        if (wanted[start] > 0).all():
            x, free = wanted, start.copy()
    enough = _TOLERANCE * max(float(np.linalg.norm(b)), np.finfo(float).tiny)
    for _ in range(10 * len(x)):
        slope = np.where(free, -np.inf, a.T @ (b - a @ x))
        enters = int(slope.argmax())
        if slope[enters] <= enough:
            break
        free[enters] = True
        wanted = _least_squares(a, b, free)
        if wanted[enters] <= 0:  # what drew it in was rounding
            break
        while (wanted[free] <= 0).any():
            # As far as the first entry that would become negative, which then stays at zero.
            falling = free & (wanted <= 0)
            ratios = np.divide(x, x - wanted, out=np.full_like(x, np.inf), where=falling)
            x = x + ratios.min() * (wanted - x)
            free &= ~(falling & (ratios <= ratios.min())) & (x > 0)
            x[~free] = 0
            wanted = _least_squares(a, b, free)
        x = wanted
    solution: Array = x / scale
    return solution


def _least_squares(a: Array, b: Array, free: Mask) -> Array:
    x = np.zeros(a.shape[1])
    x[free] = np.linalg.lstsq(a[:, free], b, rcond=None)[0]
    return x


def min_norm_point(columns: Array, start: Mask | None = None) -> Array:
    """The weights ``w ≥ 0``, of sum 1, whose mixture ``Σ_t w_t c_t`` is the shortest.

    With x = s w, ``min ‖C x‖² + (s − 1)²`` over ``x ≥ 0`` has the same w for any s: least squares.

    Shape:
        columns ``[R, T]``, start ``[T]`` of bool, result ``[T]``.

    Example:
        >>> min_norm_point(np.array([[1.0, 0.0], [0.0, 2.0]])).round(6).tolist()
        [0.8, 0.2]
    """
    lengths = np.linalg.norm(columns, axis=0)
    shortest = lengths.min()
    if shortest == 0:  # nothing is shorter than nothing
        zero: Array = (lengths == 0) / (lengths == 0).sum()
        return zero
    joined = np.vstack([columns / shortest, np.ones(len(lengths))])
    goal = np.append(np.zeros(len(columns)), 1.0)
    everything = np.ones(len(lengths), dtype=bool) if start is None else start
    x = nonnegative_least_squares(joined, goal, everything)
    weights: Array = x / x.sum()
    return weights
