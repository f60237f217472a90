"""Multi-task learning as a bargaining game."""

from __future__ import annotations

import math

import numpy as np

from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, norms_and_cosines


@register_balancing("nash_mtl")
class NashMTL(GramianRule):
    """The step on which the tasks agree by Nash's bargaining solution, in which gains count relatively.

    The w > 0 with ``G w = 1/w``, G the Gramian. It minimises ``½ wᵀGw − Σ_t log w_t``, a convex function,
    which Newton's method solves exactly; the paper (and torchjd, with cvxpy) solves a sequence of convex
    programs. As in the paper's algorithm the step has length √T whatever the gradients' lengths; LibMTL,
    after the authors' code, divides G by its norm and clips the step to length 1. Where gradients can cancel
    there is no such w; then rounding, added to the diagonal of the cosines, keeps it finite. A zero gradient
    gets 0, and a single task keeps its gradient.
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
        nonzero = np.flatnonzero(norms)
        weights = np.zeros_like(norms)
        if len(nonzero):
            regular = cosines[np.ix_(nonzero, nonzero)] + rounding * np.eye(len(nonzero))
            # Solved for w_t ‖g_t‖, the lengths cancel.
            weights[nonzero] = _bargain(regular) / norms[nonzero]
        return weights


def _bargain(matrix: Array) -> Array:
    """Return the x > 0 with ``A x = 1/x`` by damped Newton steps.

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
