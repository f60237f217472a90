"""Tensors of all ranks, as tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist


def gathered(*tensors: Tensor) -> list[Tensor]:
    """Return tensors joined over all ranks along their first axis, in the order of the ranks, on each rank.

    Every rank calls it at the same place, also with no rows. No gradient passes.

    Args:
        tensors: Tensors with equally many rows; the number may differ between ranks.

    Shape:
        ``[B, ...]`` each, results ``[B of all ranks, ...]``.

    Example:
        >>> gathered(torch.tensor([1, 2]))  # a single process
        [tensor([1, 2])]
    """
    if not dist.is_initialized():
        return [x.detach() for x in tensors]
    ranks = range(dist.get_world_size())
    size = torch.tensor([len(tensors[0])], device=tensors[0].device)
    sizes = [torch.empty_like(size) for _ in ranks]
    dist.all_gather(sizes, size)
    counts = torch.cat(sizes).tolist()
    longest, joined = max(counts), []
    for x in tensors:
        padded = x.new_zeros(longest, *x.shape[1:])
        padded[: len(x)] = x.detach()
        parts = [torch.empty_like(padded) for _ in ranks]
        if longest:
            dist.all_gather(parts, padded)
        joined.append(torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)]))
    return joined
