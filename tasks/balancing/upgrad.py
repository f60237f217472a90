"""Unconflicting projection of gradients."""

from __future__ import annotations

import numpy as np

from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, directions, norms_and_cosines


@register_balancing("upgrad")
class UPGrad(GramianRule):
    """Each gradient is projected onto the directions that conflict with no task; the mean of them.

    ``1/T Σ_t π(g_t)``, π the projection onto the dual cone ``{d : g_s·d ≥ 0 for all s}``. Its dual is
    ``π(g_t) = g_t + Σ_s x_s g_s`` with ``min ‖g_t + Σ_s x_s g_s‖`` over ``x ≥ 0``: non-negative least
    squares, solved by scipy (torchjd's projector needs a solver under the GPL, and adds to the Gramian's
    diagonal). Gradients without a conflict get 1/T each.
    Source: Quinton & Rey 2024, "Jacobian Descent for Multi-Objective Optimization" (eq. 3, prop. 1).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> import torch
        >>> UPGrad().weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([0.7500, 0.7500])
    """

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        units = directions(cosines, rounding)
        weights = np.ones_like(norms)
        from scipy.optimize import nnls  # slow to import

        for t in np.flatnonzero((cosines < 0).any(axis=1)):
            # Lengths do not matter to the cone: all are unit vectors until the end.
            x = nnls(units, -units[:, t], maxiter=100 * len(norms))[0]
            weights += np.divide(norms[t] * x, norms, out=np.zeros_like(norms), where=norms > 0)
        mean: Array = weights / len(norms)
        return mean
