"""Conflict-averse gradient descent."""

from __future__ import annotations

import numpy as np
from sennit.tasks.balancing._base import Level, register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, directions, norms_and_cosines
from sennit.tasks.balancing.nnls import min_norm_point

_LEAST = 1e-4


@register_balancing("cagrad")
class CAGrad(GramianRule):
    """Near the mean gradient, the direction along which the worst task gains most.

    ``max_d min_t g_t·d`` over ``‖d − g_0‖ ≤ c ‖g_0‖``, g_0 the mean. Its dual is ``min_w g_w·g_0 +
    c ‖g_0‖ ‖g_w‖`` over convex combinations ``g_w = Σ_t w_t g_t``, and ``d = g_0 + g_w / τ`` with
    ``τ = ‖g_w‖ / (c ‖g_0‖)``. Ours: for a given τ that w makes the shortest mixture of ``g_t + τ g_0``,
    and τ is the root of a monotone function of one number; torchjd's needs cvxpy. τ is at least 1e-4,
    where no direction lowers every loss. One task alone is left as it is, without the factor 1 + c.
    Source: B. Liu et al. 2021, "Conflict-Averse Gradient Descent" (algorithm 1).

    Args:
        c: Radius about the mean gradient, in parts of its length, from 0 (the mean) to less than 1
            (beyond it losses need not fall on average); 0.4 as the authors' code takes it on NYU-v2.
        level: See `Balancing`.

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Raises:
        ValueError: ``c`` out of range.

    Example:
        >>> import torch
        >>> CAGrad(c=0.5).weights(torch.eye(2))
        tensor([0.7500, 0.7500])
    """

    def __init__(self, *, c: float = 0.4, level: Level = "features") -> None:
        super().__init__(level=level)
        if not 0 <= c < 1:
            raise ValueError(f"`c` should be from 0 to less than 1. Found {c}.")
        self.c = c

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        mean = np.full(len(norms), 1 / len(norms))
        columns = directions(cosines, rounding) * (norms / max(norms.max(), np.finfo(float).tiny))
        centre = columns @ mean
        radius = self.c * float(np.linalg.norm(centre))
        if radius <= rounding:
            return mean
        nearest = _Nearest(columns, centre)
        low, high = _LEAST, float(np.linalg.norm(columns, axis=0).max()) / radius
        # At `high` the mixture is too short for τ; where it is at `low` too, there is no root between.
        if nearest.excess(low, radius) > 0:
            low = _root(nearest, radius, low, high)
        return mean + nearest.weights(low) / low


class _Nearest:
    """The shortest mixture of ``g_t + τ g_0``, each solved from where the one before ended."""

    def __init__(self, columns: Array, centre: Array) -> None:
        self.columns, self.centre = columns, centre
        self.start = np.ones(columns.shape[1], dtype=bool)

    def weights(self, tau: float) -> Array:
        found = min_norm_point(self.columns + tau * self.centre[:, None], self.start)
        self.start = found > 0
        return found

    def excess(self, tau: float, radius: float) -> float:
        """``‖g_w‖ − τ c ‖g_0‖``, whose only root is the dual's minimum."""
        return float(np.linalg.norm(self.columns @ self.weights(tau))) - tau * radius


def _root(nearest: _Nearest, radius: float, low: float, high: float) -> float:
    """Between the two by false position, halving what an end that stays put weighs (Illinois)."""
    below, above = nearest.excess(low, radius), nearest.excess(high, radius)
    side = 0
    for _ in range(100):
        if above >= 0:
            return high
        middle = (low * above - high * below) / (above - below)
        value = nearest.excess(middle, radius)
        if abs(value) <= 1e-13 * radius * high or high - low <= 1e-13 * high:
            return middle
        if value > 0:
            low, below = middle, value
            above = above / 2 if side > 0 else above
            side = 1
        else:
            high, above = middle, value
            below = below / 2 if side < 0 else below
            side = -1
    return middle
