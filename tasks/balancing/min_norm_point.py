"""The shortest convex combination of vectors."""

from __future__ import annotations

import numpy as np

from sennit.tasks.balancing.gramian_rule import Array


def min_norm_point(columns: Array) -> Array:
    """Return the weights ``w ≥ 0``, of sum 1, whose mixture ``Σ_t w_t c_t`` is the shortest.

    With x = s w, ``min ‖C x‖² + (s − 1)²`` over ``x ≥ 0`` has the same w for any s: non-negative least
    squares, which scipy solves exactly.

    Shape:
        columns ``[R, T]``, result ``[T]``.

    Example:
        >>> min_norm_point(np.array([[1.0, 0.0], [0.0, 2.0]])).round(6).tolist()
        [0.8, 0.2]
    """
    lengths = np.linalg.norm(columns, axis=0)
    shortest = lengths.min()
    if shortest == 0:  # no mixture is shorter than a zero vector
        zero: Array = (lengths == 0) / (lengths == 0).sum()
        return zero
    joined = np.vstack([columns / shortest, np.ones(len(lengths))])
    goal = np.append(np.zeros(len(columns)), 1.0)
    from scipy.optimize import nnls  # slow to import

    # Columns of length 1: the solver's tolerance is one for all.
    scale = np.linalg.norm(joined, axis=0)
    x = nnls(joined / scale, goal, maxiter=100 * len(lengths))[0] / scale
    weights: Array = x / x.sum()
    return weights
