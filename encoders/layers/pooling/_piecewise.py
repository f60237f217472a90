"""Mean and standard deviation over time on a processor, in few passes over memory, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from sennit.data.masking import zero_padding
from sennit.encoders.layers._pieces import piece_size
from sennit.encoders.layers.pooling._moments import FLOOR, moments


class PiecewiseMoments(torch.autograd.Function):
    """``μ = Σ m x / Σ m`` and ``σ² = Σ m (x - μ)² / Σ m``; values where m = 0 reach nothing.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]`` or None; results ``[B, C]``.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        kind = torch.promote_types(x.dtype, torch.float32)
        share, padding = weights(x, mask, kind)
        means, variances = [], []
        for piece, weight, pad in pieces(x, share, padding):
            d = piece.to(kind, copy=True)
            mean = (d if pad is None else d.masked_fill_(pad, 0)).sum(1, keepdim=True).mul_(weight)
            d.sub_(mean)
            variances.append(
                (d if pad is None else d.masked_fill_(pad, 0)).square_().sum(1, True).mul_(weight)
            )
            means.append(mean)
        mean, deviation = torch.cat(means), torch.cat(variances).clamp_(min=FLOOR).sqrt_()
        ctx.save_for_backward(x, mask, mean, deviation)
        return mean.squeeze(1), deviation.squeeze(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, mask, mean, deviation = ctx.saved_tensors
        if torch.is_grad_enabled():  # for a gradient of the gradient
            share, _ = weights(x, mask, mean.dtype)
            share = share.expand(*x.shape[:2], 1) if mask is None else share * mask.unsqueeze(2)
            again = moments(zero_padding(x, mask), share)
            return *torch.autograd.grad(again, x, grads, create_graph=True), None
        share, padding = weights(x, mask, mean.dtype)
        shift = grads[0].unsqueeze(1) * share
        slope = grads[1].unsqueeze(1) * share / deviation
        slope.masked_fill_(deviation.square() <= FLOOR, 0)
        to_x = torch.empty_like(x)
        for piece, out, mu, a, b, pad in pieces(x, to_x, mean, slope, shift, padding):
            d = torch.sub(piece, mu).mul_(a).add_(b)
            out.copy_(d if pad is None else d.masked_fill_(pad, 0))
        return to_x, None


def weights(x: Tensor, mask: Tensor | None, kind: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """Return the weight of each valid frame (1 over their number), and the positions of the others.

    Shape:
        ``[B, 1, 1]`` and ``[B, T, 1]``.
    """
    if mask is None:
        return torch.full((len(x), 1, 1), 1 / x.shape[1], dtype=kind), None
    return 1 / mask.sum(1).clamp(min=1).to(kind).view(-1, 1, 1), ~mask.unsqueeze(2)


def pieces(x: Tensor, *others: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Yield x a few recordings at a time, with the same recordings of the other tensors, or None."""
    size = piece_size(x.shape[1] * x.shape[2])
    each = torch.split(x, size)
    along = ((None,) * len(each) if t is None else torch.split(t, size) for t in others)
    return zip(each, *along, strict=True)
