"""Impartial multi-task learning by gradients."""

from __future__ import annotations

import numpy as np

from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, norms_and_cosines

_SMALLEST = 1e-6


@register_balancing("imtl_g")
class IMTLG(GramianRule):
    """The combination of the gradients that has the same projection onto each of them.

    ``g = Σ_t w_t g_t`` with ``g·u_t`` the same for every ``u_t = g_t / ‖g_t‖``, and ``Σ_t w_t = 1``:
    with C the cosines, ``w_t ∝ (C⁺ 1)_t / ‖g_t‖``. A zero gradient has no direction and gets 0. From
    three tasks on, a sum of 1 may need negative projections, which is uphill for all; then, or where no
    weights of sum 1 exist, the tasks get 1/T each. (torchjd inverts the Gramian itself, which loses a task
    with a small gradient.)
    Source: L. Liu et al. 2021, "Towards Impartial Multi-task Learning" (IMTL-G).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> import torch
        >>> IMTLG().weights(torch.tensor([[1.0, 0.0], [0.0, 9.0]]))
        tensor([0.7500, 0.2500])
    """

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        nonzero = norms > 0
        equal = np.linalg.pinv(cosines, rcond=rounding, hermitian=True) @ nonzero
        # Lengths relative to the shortest, so that a Gramian's scale makes no difference.
        parts = np.divide(norms[nonzero].min(initial=np.inf), norms, out=np.zeros_like(norms), where=nonzero)
        weights: Array = equal * parts
        total = weights.sum()
        if total <= _SMALLEST * np.abs(weights).sum():
            return np.full_like(norms, 1 / len(norms))
        shares: Array = weights / total
        return shares
