"""Projecting conflicting gradients."""

from __future__ import annotations

import numpy as np
import torch

from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule


@register_balancing("pcgrad")
class PCGrad(GramianRule):
    """Each task's gradient is projected onto the normal plane of every other one that conflicts with it.

    For each task i, over the others j in random order: ``g_i ← g_i − (g_i·g_j / ‖g_j‖²) g_j`` where
    ``g_i·g_j < 0``, with the original g_j; the update is the sum. The random orders are drawn from torch's
    generator. (torchjd's loop of tensor operations divides by zero where a squared length underflows.)
    Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning" (algorithm 1).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> PCGrad().weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([1.5000, 1.5000])
    """

    def solve(self, gramian: Array, rounding: float) -> Array:
        products: list[list[float]] = gramian.tolist()  # plain numbers: no calls of tensor operations
        total = [1.0] * len(products)
        for i, along in enumerate(products):  # the products of the current g_i with all
            for j in torch.randperm(len(products)).tolist():
                if j != i and along[j] < 0 < products[j][j]:
                    step = -along[j] / products[j][j]
                    total[j] += step
                    along = [x + step * y for x, y in zip(along, products[j], strict=True)]
        return np.array(total)
