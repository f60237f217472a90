"""Independent component alignment."""

from __future__ import annotations

import torch
from sennit.tasks.balancing._base import Level, register_balancing
from sennit.tasks.balancing.gramian_rule import Array, GramianRule, directions, norms_and_cosines
from torchjd.aggregation import AlignedMTLWeighting


@register_balancing("aligned_mtl")
class AlignedMTL(GramianRule):
    """The gradients' principal components, all made as long as the shortest, and the mean of the result.

    With the Gramian ``V Λ Vᵀ`` of rank R, ``w = √λ_R V Λ^{−1/2} Vᵀ 1/T``: the gradients become
    orthogonal and equally long with the least change, so that none dominates and none conflicts. (The
    authors' code takes the sum, T times that.) The weights come from torchjd, which keeps to the paper, and
    are made of a Gramian freed of rounding: otherwise the smallest λ of tasks that agree would be rounding,
    and that of a small gradient none.
    Source: Senushkin et al. 2023, "Independent Component Alignment for Multi-Task Learning"
    (algorithm 1).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> AlignedMTL().weights(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
        tensor([0.5000, 0.2500])
    """

    def __init__(self, *, level: Level = "features") -> None:
        super().__init__(level=level)
        self.rule = AlignedMTLWeighting()

    def solve(self, gramian: Array, rounding: float) -> Array:
        norms, cosines = norms_and_cosines(gramian)
        columns = directions(cosines, rounding) * norms
        weights: Array = self.rule(torch.from_numpy(columns.T @ columns)).numpy()
        return weights
