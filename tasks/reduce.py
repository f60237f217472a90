"""The one place where losses are reduced: means over labelled units, across ranks too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist


def labelled_mean(values: Sequence[Tensor], labelled: Sequence[Tensor | None]) -> Tensor:
    """The mean of the per-sample losses over labelled units, joined over several batches.

    Under torch.distributed each rank returns its sum over the mean count of all ranks, so that the
    average of the ranks' gradients, as DDP takes it, is the gradient of the mean over the joined batch.

    Args:
        values: Losses of each batch, ``[B]`` or ``[B, ...]``.
        labelled: Which units count; None for all.

    Shape:
        labelled ``[B]`` or the shape of the values; the result is a scalar.

    Example:
        >>> labelled_mean([torch.tensor([1.0, 5.0])], [torch.tensor([True, False])])
        tensor(1.)
    """
    if not dist.is_initialized() and len(values) == 1 and labelled[0] is None:
        return values[0].mean()
    total, count = values[0].new_zeros(()), values[0].new_zeros(())
    for value, known in zip(values, labelled, strict=True):
        if known is None:
            total, count = total + value.sum(), count + value.numel()
            continue
        if known.dim() < value.dim():
            known = known.reshape(-1, *[1] * (value.dim() - 1)).expand_as(value)
        total = total + torch.where(known, value, 0).sum()
        count = count + known.sum()
    if dist.is_initialized():
        dist.all_reduce(count)
        count = count / dist.get_world_size()
    return total / count.clamp(min=1 / dist.get_world_size() if dist.is_initialized() else 1)


def agree_on_active(active: Sequence[bool], device: torch.device) -> tuple[bool, ...]:
    """A task is active when any rank has a label for it."""
    if not dist.is_initialized():
        return tuple(active)
    flags = torch.tensor(active, device=device, dtype=torch.uint8)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return tuple(bool(f) for f in flags.tolist())
