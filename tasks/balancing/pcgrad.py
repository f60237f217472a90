"""Projecting conflicting gradients."""

from __future__ import annotations

from torch import Tensor
from torchjd.aggregation import PCGradWeighting

from tasks.balancing._base import Balancing, register_balancing


@register_balancing("pcgrad")
class PCGrad(Balancing):
    """Each task's gradient loses its component against every other one that conflicts with it.

    For each task i, over the others j in random order: ``g_i ← g_i − (g_i·g_j / ‖g_j‖²) g_j`` where
    ``g_i·g_j < 0``, with g_j as it was; the update is the sum. The weights come from torchjd, which
    keeps to the paper; the random orders are drawn from torch's generator.
    Source: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning" (algorithm 1).

    Shape:
        gramian ``[T, T]``, weights ``[T]``.

    Example:
        >>> import torch
        >>> PCGrad().weights(torch.tensor([[1.0, -0.5], [-0.5, 1.0]]))
        tensor([1.5000, 1.5000])
    """

    def __init__(self) -> None:
        super().__init__()
        self.rule = PCGradWeighting()

    def weights(self, gramian: Tensor) -> Tensor:
        weights: Tensor = self.rule(gramian)
        return weights
