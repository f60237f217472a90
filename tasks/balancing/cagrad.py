"""Conflict-averse gradient descent."""

from __future__ import annotations

import numpy as np

from sennit.tasks.balancing._base import Level, register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, directions, norms_and_cosines
from sennit.tasks.balancing.min_norm_point import min_norm_point

_LEAST = 1e-4


@register_balancing("cagrad")
class CAGrad(GramianRule):
    """Near the mean gradient, the direction along which the worst task gains most.

    ``max_d min_t g_t·d`` over ``‖d − g_0‖ ≤ c ‖g_0‖``, g_0 the mean. Its dual is ``min_w g_w·g_0 +
    c ‖g_0‖ ‖g_w‖`` over convex combinations ``g_w = Σ_t w_t g_t``, and ``d = g_0 + g_w / τ`` with
    ``τ = ‖g_w‖ / (c ‖g_0‖)``. For a given τ that w makes the shortest mixture of ``g_t + τ g_0``, and τ is
    the root of a monotone function of one number (torchjd solves the dual with cvxpy). τ is at least 1e-4,
    where no direction lowers every loss. A single task keeps its gradient, without the factor 1 + c.
    Source: B. Liu et al. 2021, "Conflict-Averse Gradient Descent" (algorithm 1).

    Args:
        c: Radius about the mean gradient relative to its length, from 0 (the mean) to less than 1 (beyond
            that losses need not fall on average); 0.4 as in the authors' code for NYU-v2.
        level: Gradients from which the Gramian is taken; see `Balancing`.

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

        def mixture(tau: float) -> Array:
            return min_norm_point(columns + tau * centre[:, None])

        def excess(tau: float) -> float:
            """Return ``‖g_w‖ − τ c ‖g_0‖``, whose only root is the dual's minimum."""
            return float(np.linalg.norm(columns @ mixture(tau))) - tau * radius

        low, high = _LEAST, float(np.linalg.norm(columns, axis=0).max()) / radius
        from scipy.optimize import brentq  # slow to import

        # At `high` the mixture is too short for τ; where it is at `low` too, there is no root between.
        if excess(low) > 0:
            low = brentq(excess, low, high, xtol=1e-14 * high) if excess(high) < 0 else high
        return mean + mixture(low) / low
