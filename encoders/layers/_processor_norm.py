"""Batch normalisation with padding by the kernels for images, on a processor."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


class ProcessorNorm(torch.autograd.Function):
    """``(x - μ) / σ · weight + bias`` with the statistics of the valid frames of ``x = max(z, 0)``.

    Frames of the padding are filled with μ. Then the mean over all N frames is that over the n valid ones,
    and the variance is n/N of it, so that the kernel for whole batches gives the result when eps and weight
    are scaled to match: ``(x - μ) / sqrt(n/N · (var + eps)) · sqrt(n/N) · weight``. As the filled frames are
    0 once centred, they also add nothing to the gradient of the weight; that of the bias is corrected.

    x, μ and 1 / σ are returned too: gradients of gradients pass through x.

    Shape:
        z ``[B, T, C]``, padding (indices into ``B·T``) or None for none; y as z, zero in the padding.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        z: Tensor, padding: Tensor | None, weight: Tensor, bias: Tensor, eps: float, rectify: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = z.relu() if rectify else z.clone()
        share = valid_share(z, padding)
        if padding is not None:
            rows(x).index_fill_(0, padding, 0)
            rows(x)[padding] = rows(x).sum(0) / (share * rows(x).shape[0])
        scaled = weight * math.sqrt(share)
        y, mean, scale = torch.native_batch_norm(image(x), scaled, bias, None, None, True, 0.0, eps * share)
        y = frames(y)
        if padding is not None:
            rows(y).index_fill_(0, padding, 0)
        return y, x, mean, scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        z, padding, weight, _, ctx.eps, ctx.rectify = inputs
        _, x, mean, scale = output
        ctx.share = valid_share(z, padding)
        ctx.save_for_backward(x, padding, weight, mean, scale)
        ctx.mark_non_differentiable(mean, scale)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, padding, weight, mean, scale = ctx.saved_tensors
        if torch.is_grad_enabled() or grads[0] is None:  # for a gradient of the gradient
            return _differentiable(ctx, x, padding, weight, *grads[:2])
        grad, weight = grads[0].contiguous(), weight * math.sqrt(ctx.share)
        eps = ctx.eps * ctx.share
        given = (image(grad), image(x), weight, None, None, mean, scale, True, eps, (True, True, True))
        to_x, to_weight, to_bias = torch.ops.aten.native_batch_norm_backward(*given)
        to_x = frames(to_x)
        if padding is not None:
            size = rows(x).shape[0]
            valid_bias = to_bias - rows(grad).index_select(0, padding).sum(0)
            to_x += weight * scale * (to_bias / size - valid_bias / max(size - padding.shape[0], 1))
            rows(to_x).index_fill_(0, padding, 0)
            to_bias = valid_bias
        if ctx.rectify:
            to_x = torch.ops.aten.threshold_backward(to_x, x, 0)
        return to_x, None, to_weight * math.sqrt(ctx.share), to_bias, None, None


def _differentiable(
    ctx: Any, x: Tensor, padding: Tensor | None, weight: Tensor, grad: Tensor | None, to_x: Tensor | None
) -> tuple[Tensor | None, ...]:
    """Return the same gradients by operations that can be differentiated, given those of y and of x."""
    valid = x.new_ones(rows(x).shape[0], 1)
    valid = (valid if padding is None else valid.index_fill(0, padding, 0)).view(*x.shape[:2], 1)
    count, to_weight, to_bias = valid.sum(), None, None
    if grad is not None:
        centred = (x - (x * valid).sum((0, 1)) / count) * valid
        scale = (centred.square().sum((0, 1)) / count + ctx.eps).rsqrt()
        normal, grad = centred * scale, grad * valid
        to_weight, to_bias = (grad * normal).sum((0, 1)), grad.sum((0, 1))
        through = weight * scale * (grad - (to_bias + normal * to_weight) / count)
        to_x = through if to_x is None else to_x + through
    if to_x is not None:
        to_x = to_x * (valid * (x > 0) if ctx.rectify else valid)
    return to_x, None, to_weight, to_bias, None, None


def valid_share(x: Tensor, padding: Tensor | None) -> float:
    """Return the share n/N of valid frames."""
    size = rows(x).shape[0]
    return 1.0 if padding is None else max(size - padding.shape[0], 1) / size


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
