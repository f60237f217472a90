"""Independent component alignment."""

from __future__ import annotations

import numpy as np

from sennit.tasks.balancing._base import register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, directions, norms_and_cosines


@register_balancing("aligned_mtl")
class AlignedMTL(GramianRule):
    """The mean of the gradients' principal components, all scaled to the length of the shortest.

    With the Gramian ``V Λ Vᵀ`` of rank R, ``w = √λ_R V Λ^{−1/2} Vᵀ 1/T``: the gradients become
    orthogonal and equally long with the least change, so that none dominates and none conflicts. (The
    authors' code takes the sum, T times that.) The Gramian is freed of rounding first: otherwise the smallest
    λ of tasks that agree would be rounding, and that of a small gradient would be lost.
    Source: Senushkin et al. 2023, "Independent Component Alignment for Multi-Task Learning"
    (algorithm 1).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> import torch
        >>> AlignedMTL().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.5000, 0.2500])
    """

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        mean = np.full(len(norms), 1 / len(norms))
        columns = directions(cosines, rounding) * norms
        values, vectors = np.linalg.eigh(columns.T @ columns)
        kept = values > len(norms) * np.finfo(float).eps * values[-1]
        if not kept.any():
            return mean
        values, vectors = values[kept], vectors[:, kept]
        weights: Array = np.sqrt(values[0]) * (vectors / np.sqrt(values)) @ (vectors.T @ mean)
        return weights
