"""The one place where losses are reduced: means over labelled units, across ranks too."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist

Term = tuple[Tensor, Tensor | None]
"""The loss of each sample, and which of them count (None: all)."""


def labelled_mean(values: Sequence[Tensor], labelled: Sequence[Tensor | None]) -> Tensor:
    """The mean of the per-sample losses over labelled units, joined over several batches.

    Under torch.distributed every rank returns the mean over the joined batch. Its gradient is that of
    the rank's own sum over the mean count of all ranks, so that the average of the ranks' gradients, as
    DDP takes it, is the gradient of that mean, whatever weighting follows.

    Args:
        values: Losses of each batch, ``[B]`` or ``[B, ...]``.
        labelled: Which units count; None for all.

    Shape:
        labelled ``[B]`` or the shape of the values; the result is a scalar.

    Example:
        >>> labelled_mean([torch.tensor([1.0, 5.0])], [torch.tensor([True, False])])
        tensor(1.)
    """
    distributed = dist.is_initialized()
    if not distributed and len(values) == 1 and labelled[0] is None:
        return values[0].mean()
    total, count = _sum_and_count(values[0], labelled[0])
    for value, known in zip(values[1:], labelled[1:], strict=True):
        more, also = _sum_and_count(value, known)
        total, count = total + more, count + also
    if not distributed:
        return total / count.clamp(min=1)
    joined = torch.stack([total.detach().float(), count])
    dist.all_reduce(joined)
    own = total * (dist.get_world_size() / joined[1].clamp(min=1))
    return own + (joined[0] / joined[1].clamp(min=1) - own).detach()


def _sum_and_count(value: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor]:
    if known is None:
        return value.sum(), value.new_tensor(value.numel(), dtype=torch.float32)
    if known.dim() < value.dim():
        known = known.reshape(-1, *[1] * (value.dim() - 1)).expand_as(value)
    return value.masked_fill(~known, 0).sum(), known.sum(dtype=torch.float32)


def agree_on_active(active: Sequence[bool], device: torch.device) -> tuple[bool, ...]:
    """A task is active when any rank has a label for it."""
    if not dist.is_initialized():
        return tuple(active)
    flags = torch.tensor(active, device=device, dtype=torch.uint8)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    return tuple(bool(f) for f in flags.tolist())


def of_all_ranks(*tensors: Tensor) -> list[Tensor]:
    """The tensors of all ranks, joined along the first axis in the order of the ranks."""
    if not dist.is_initialized():
        return list(tensors)
    found: list[list[Tensor]] = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(found, [x.cpu() for x in tensors])
    return [torch.cat(parts).to(x.device) for x, parts in zip(tensors, zip(*found, strict=True), strict=True)]
