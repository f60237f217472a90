"""Multi-task learning as a bargaining game."""

from __future__ import annotations

import math

import numpy as np
from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, norms_and_cosines


@register_balancing("nash_mtl")
class NashMTL(GramianRule):
    """The tasks' agreement on a step, each of whose gains counts relatively: Nash's solution.

    The w > 0 with ``G w = 1/w``, G the Gramian. It is where ``½ wᵀGw − Σ_t log w_t`` is least, a convex
    function, so ours is Newton's method and exact, where the paper (and torchjd, with cvxpy) solves a
    sequence of convex programs. As in the paper's algorithm the step has length √T whatever the
    gradients' lengths; LibMTL, after the authors' code, takes G over its norm and clips the step to length
    1. Where gradients can cancel no such w is; then rounding, added to the diagonal of the cosines, keeps it
    finite. A zero gradient gets 0, and one task alone is left as it is.
    Source: Navon et al. 2022, "Multi-Task Learning as a Bargaining Game" (claim 3.1, algorithm 1).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> import torch
        >>> NashMTL().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([1.0000, 0.5000])
    """

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        there = np.flatnonzero(norms)
        weights = np.zeros_like(norms)
        if len(there):
            firm = cosines[np.ix_(there, there)] + rounding * np.eye(len(there))
            # In w_t ‖g_t‖ the lengths are gone.
            weights[there] = _bargain(firm) / norms[there]
        return weights


def _bargain(matrix: Array) -> Array:
    """The x > 0 with ``A x = 1/x`` by damped Newton steps.

    The function is self-concordant, so that a step shortened by 1 + λ, λ the Newton decrement, stays
    within x > 0 and lowers it (Boyd & Vandenberghe 2004, §9.6).
    """
    x = np.ones(len(matrix))
    for _ in range(200):
        slope = matrix @ x - 1 / x
        step = np.linalg.solve(matrix + np.diag(x**-2), slope)
        decrement = math.sqrt(max(float(slope @ step), 0.0))
        x = x - (step if decrement < 0.25 else step / (1 + decrement))
        if decrement < 1e-10:
            break
    return x
