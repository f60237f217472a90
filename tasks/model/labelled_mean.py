"""The one place where losses are reduced: means over labelled units, across ranks too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.data.masking import cat_padded

Terms = Sequence[tuple[Tensor, Tensor | None]]
"""Losses ``[B, ...]`` of each batch, and the mask of those that count: ``[B]``, the same shape, or None."""


def labelled_means(losses: Sequence[Terms]) -> Tensor:
    """Return the mean of each loss over its labelled units, joined over several batches.

    Under torch.distributed every rank returns the mean over the joined batch. Its gradient is that of
    the rank's own sum over the mean count of all ranks, so that the average of the ranks' gradients, as
    DDP takes it, is the gradient of that mean, whatever weighting follows.

    Args:
        losses: Terms of each loss, one for each batch.

    Shape:
        ``[L]``, one mean for each loss.

    Example:
        >>> labelled_means([[(torch.tensor([1.0, 5.0]), torch.tensor([True, False]))]])
        tensor([1.])
    """
    distributed = dist.is_initialized()
    means, sums = [], []
    for terms in losses:
        if not distributed and len(terms) == 1 and terms[0][1] is None:
            means.append(terms[0][0].mean())
            continue
        total, count = sum_and_count(*terms[0])
        for values, counted in terms[1:]:
            total_here, count_here = sum_and_count(values, counted)
            total, count = total + total_here, count + count_here
        if distributed:
            sums.append((total, count))
        else:
            means.append(total / count.clamp(min=1))
    return torch.stack(_over_ranks(sums) if sums else means)


def _over_ranks(sums: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    joined = torch.stack([torch.stack([total.detach().float(), count]) for total, count in sums])
    dist.all_reduce(joined)
    means = []
    for (total, _), (total_of_all, count) in zip(sums, joined, strict=True):
        count = count.clamp(min=1)
        share = total * (dist.get_world_size() / count)
        means.append(share + (total_of_all / count - share).detach())
    return means


def sum_and_count(values: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses that count, and their number.

    Shape:
        values ``[B, ...]``, counted ``[B]`` or as values; scalars.
    """
    if counted is None:
        return values.sum(), values.new_tensor(values.numel(), dtype=torch.float32)
    if counted.dim() < values.dim():
        counted = counted.reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)
    return values.masked_fill(~counted, 0).sum(), counted.sum(dtype=torch.float32)


def any_rank(flags: Sequence[bool], device: torch.device) -> tuple[bool, ...]:
    """Return which of the flags are set on any rank."""
    if not dist.is_initialized():
        return tuple(flags)
    joined = torch.tensor(flags, device=device, dtype=torch.uint8)
    dist.all_reduce(joined, op=dist.ReduceOp.MAX)
    return tuple(bool(flag) for flag in joined.tolist())


def of_all_ranks(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors of all ranks, joined along the first axis in the order of the ranks.

    Where the ranks' batches differ in length, the shorter are filled with zeros.
    """
    if not dist.is_initialized():
        return list(tensors)
    gathered: list[list[Tensor]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(gathered, [x.cpu() for x in tensors])
    return [
        cat_padded(parts).to(x.device) for x, parts in zip(tensors, zip(*gathered, strict=True), strict=True)
    ]
