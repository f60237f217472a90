"""Mean and standard deviation over time on a processor, in few passes over memory, forth and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from encoders.layers._pieces import piece_size
from encoders.layers.pooling._moments import FLOOR


class PiecewiseMoments(torch.autograd.Function):
    """``μ = Σ m x / Σ m`` and ``σ² = Σ m (x - μ)² / Σ m``; what stands where m = 0 reaches nothing.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]`` or None; results ``[B, C]``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        kind = torch.promote_types(x.dtype, torch.float32)
        means, variances = [], []
        rows = piece_size(x.shape[1] * x.shape[2])
        weights = [None] * len(x.split(rows)) if mask is None else inverse_counts(mask, kind).split(rows)
        padding = [None] * len(weights) if mask is None else padded(mask).split(rows)
        for piece, weight, pad in zip(x.split(rows), weights, padding, strict=True):
            d = piece.to(kind, copy=True)
            if pad is None:
                means.append(d.mean(1))
                variances.append(d.sub_(means[-1].unsqueeze(1)).square_().mean(1))
            else:
                means.append(d.masked_fill_(pad, 0).sum(1).mul_(weight))
                d.sub_(means[-1].unsqueeze(1)).masked_fill_(pad, 0)
                variances.append(d.square_().sum(1).mul_(weight))
        mean, variance = torch.cat(means), torch.cat(variances)
        deviation = variance.clamp(min=FLOOR).sqrt()
        ctx.save_for_backward(x, mask, mean, deviation)
        return mean, deviation

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, mask, mean, deviation = ctx.saved_tensors
        share = 1 / x.shape[1] if mask is None else inverse_counts(mask, mean.dtype)
        shift = grads[0] * share
        slope = (grads[1] * share / deviation).masked_fill(deviation.square() <= FLOOR, 0)
        rows = piece_size(x.shape[1] * x.shape[2])
        to_x = torch.empty_like(x)
        padding = [None] * len(x.split(rows)) if mask is None else padded(mask).split(rows)
        parts = (t.split(rows) for t in (x, mean.unsqueeze(1), slope.unsqueeze(1), shift.unsqueeze(1), to_x))
        for piece, mu, a, b, out, pad in zip(*parts, padding, strict=True):
            d = torch.sub(piece, mu).mul_(a).add_(b)
            out.copy_(d if pad is None else d.masked_fill_(pad, 0))
        return to_x, None


def inverse_counts(mask: Tensor, kind: torch.dtype) -> Tensor:
    """One over the number of valid frames; 1 for none."""
    return 1 / mask.sum(1, keepdim=True).clamp(min=1).to(kind)


def padded(mask: Tensor) -> Tensor:
    """Where frames are not valid."""
    return ~mask.unsqueeze(2)
