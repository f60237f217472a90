"""Rows and sums of all ranks, with their gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def gathered_rows(x: Tensor) -> tuple[Tensor, int]:
    """Return the rows of all ranks, in the order of the ranks, and the position of this rank's first row.

    The ranks may have different numbers of rows, or none. The gradient of a row is the sum of what the losses
    of all ranks send to it, so that a loss that is a sum over the ranks has the gradient of the joined batch.

    Args:
        x: Rows of this rank.

    Shape:
        ``[n, ...]`` to ``[N, ...]``, with N the sum of n over the ranks.

    Example:
        >>> gathered_rows(torch.ones(2, 3))[0].shape  # without torch.distributed
        torch.Size([2, 3])
    """
    if not dist.is_initialized():
        return x, 0
    counts = torch.zeros(dist.get_world_size(), dtype=torch.long, device=x.device)
    counts[dist.get_rank()] = len(x)
    dist.all_reduce(counts)
    first = int(counts[: dist.get_rank()].sum())
    rows: Tensor = _Gather.apply(x, first, int(counts.sum()))
    return rows, first


def summed_over_ranks(x: Tensor) -> Tensor:
    """Return the sum of a tensor over the ranks; its gradient is the sum of those of all ranks.

    It should require a gradient on all ranks, or on none: its backward pass waits for all.

    Example:
        >>> summed_over_ranks(torch.ones(2))  # without torch.distributed
        tensor([1., 1.])
    """
    if not dist.is_initialized():
        return x
    total: Tensor = _Sum.apply(x)
    return total


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        gradient = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, first: int, total: int) -> Tensor:
        ctx.rows = slice(first, first + len(x))
        rows = x.new_zeros(total, *x.shape[1:])
        rows[ctx.rows] = x
        dist.all_reduce(rows)
        return rows

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        gradient = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient[ctx.rows], None, None
