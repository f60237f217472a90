"""Mean and standard deviation over time, under weights."""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-10
"""Smallest variance; lower ones are raised to it, as the root is too steep there, infinitely so at 0."""


def moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``μ = Σ w x`` and ``σ = sqrt(Σ w (x - μ)²)``, in float32 at least.

    Shape:
        x ``[B, T, C]``, zero where the weight is; weight ``[B, T, 1]`` or ``[B, T, C]``, of sum 1 over
        time (0 in a row without frames); results ``[B, C]``.

    Example:
        >>> moments(torch.tensor([[[1.0], [3.0]]]), torch.full((1, 2, 1), 0.5))
        (tensor([[2.]]), tensor([[1.]]))
    """
    kind = torch.promote_types(x.dtype, torch.float32)
    x, weight = x.to(kind), weight.to(kind)
    mean = (x * weight).sum(1)
    variance = ((x - mean.unsqueeze(1)).square() * weight).sum(1)
    return mean, variance.clamp(min=FLOOR).sqrt()


def attention(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Return the softmax over the valid frames, in float32 at least; over all frames where none is valid.

    Shape:
        scores ``[B, T, C]``, mask ``[B, T]``, result as scores.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if mask is not None:
        seen = mask | ~mask.any(1, keepdim=True)
        scores = scores.masked_fill(~seen.unsqueeze(2), -torch.inf)
    return scores.softmax(1)
