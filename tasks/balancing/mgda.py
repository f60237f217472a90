"""The multiple-gradient descent algorithm."""

from __future__ import annotations

from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, directions, norms_and_cosines
from sennit.tasks.balancing.min_norm_point import min_norm_point


@register_balancing("mgda")
class MGDA(GramianRule):
    """The shortest convex combination of the gradients, along which every loss falls.

    ``min ‖Σ_t w_t g_t‖²`` over ``w ≥ 0``, ``Σ_t w_t = 1``. Where it is zero no direction lowers every
    loss, and the shared parameters stay as they are; a single zero gradient has that effect too. Solved
    exactly by non-negative least squares, where torchjd approximates with up to 100 steps of Frank-Wolfe.
    Source: Désidéri 2012, "Multiple-gradient descent algorithm"; Sener & Koltun 2018, "Multi-Task
    Learning as Multi-Objective Optimization" (eq. 3; at the features, §3.3).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> import torch
        >>> MGDA().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.8000, 0.2000])
    """

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        return min_norm_point(directions(cosines, rounding) * norms)
