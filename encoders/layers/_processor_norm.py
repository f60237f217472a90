"""Batch normalisation with padding by the kernels for images, on a processor."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class ProcessorNorm(torch.autograd.Function):
    """``(x - μ) / σ · weight + bias`` with the statistics of the valid frames of ``x = max(z, 0)``.

    Frames of the padding are filled with μ. Then the mean over all N frames is that over the n valid ones,
    and the variance is n/N of it, so that the kernel for whole batches gives the result when eps and weight
    are scaled to match: ``(x - μ) / sqrt(n/N · (var + eps)) · sqrt(n/N) · weight``. As the filled frames are
    0 once centred, they also add nothing to the gradient of the weight; that of the bias is corrected.

    μ and the variance are returned too.

    Shape:
        z ``[B, T, C]``, padding (indices into ``B·T``) or None for none; y as z, zero in the padding.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, padding: Tensor | None, weight: Tensor, bias: Tensor, eps: float, rectify: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = z.relu() if rectify else z.clone()
        share = 1.0
        if padding is not None:
            count = max(rows(x).shape[0] - padding.shape[0], 1)
            share = count / rows(x).shape[0]
            rows(x).index_fill_(0, padding, 0)
            rows(x)[padding] = rows(x).sum(0) / count
        weight = weight * math.sqrt(share)
        y, mean, scale = torch.native_batch_norm(image(x), weight, bias, None, None, True, 0.0, eps * share)
        y = frames(y)
        if padding is not None:
            rows(y).index_fill_(0, padding, 0)
        ctx.save_for_backward(x, padding, weight, mean, scale)
        ctx.eps, ctx.share, ctx.rectify = eps * share, share, rectify
        variance = (scale.double().pow(-2) - ctx.eps).clamp(min=0) / share
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, padding, weight, mean, scale = ctx.saved_tensors
        grad = grads[0].contiguous()
        given = (image(grad), image(x), weight, None, None, mean, scale, True, ctx.eps, (True, True, True))
        to_x, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(*given)
        to_x = frames(to_x)
        if padding is not None:
            size = rows(x).shape[0]
            valid_bias = to_bias - rows(grad).index_select(0, padding).sum(0)
            to_x += weight * scale * (to_bias / size - valid_bias / max(size - padding.shape[0], 1))
            rows(to_x).index_fill_(0, padding, 0)
            to_bias = valid_bias
        if ctx.rectify:
            torch.ops.aten.threshold_backward.grad_input(to_x, x, 0, grad_input=to_x)
        return to_x, None, to_weight * math.sqrt(ctx.share), to_bias, None, None


def image(x: Tensor) -> Tensor:
    """View frames as an image with channels last, which the kernels read as it lies in memory.

    Shape:
        ``[B, T, C]`` to ``[B, C, 1, T]``.
    """
    return x.transpose(1, 2).unsqueeze(2)


def frames(x: Tensor) -> Tensor:
    """View an image of `image` as frames again."""
    return x.squeeze(2).transpose(1, 2)


def rows(x: Tensor) -> Tensor:
    """View all frames of a batch as rows.

    Shape:
        ``[B, T, C]`` to ``[B·T, C]``.
    """
    return x.view(-1, x.shape[2])
