"""Random loss weighting."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.tasks.weighting._base import Weighting, register_weighting


@register_weighting("random")
class Random(Weighting):
    """New random weights in every step: a baseline that a weighting should beat.

    ``Σ_k λ_k ℓ_k`` with ``λ = softmax(z)`` over the active tasks, z from the standard normal
    distribution by torch's generator. All ranks take those of rank 0.
    Source: Lin et al. 2022, "Reasonable Effectiveness of Random Weighting" (algorithm 2, normal).

    Shape:
        losses ``[K]``, active ``K`` bools, result a scalar.

    Example:
        >>> round(Random()(torch.tensor([2.0, 2.0]), (True, True)).item(), 4)
        2.0
    """

    def forward(self, losses: Tensor, active: Sequence[bool]) -> Tensor:
        chosen = [k for k, on in enumerate(active) if on]
        weights = torch.randn(len(chosen), device=losses.device).softmax(0)
        if dist.is_initialized():
            dist.broadcast(weights, src=0)
        return (weights * losses[chosen]).sum()
