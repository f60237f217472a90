"""What ranks have to agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch import distributed as dist


def reached_anywhere(
    parameters: Sequence[Tensor], reached: Mapping[Tensor, int], count: int
) -> dict[Tensor, int]:
    """Which tasks reach each parameter on any rank, in the order of the model, the same on every rank.

    Args:
        parameters: Of the model.
        reached: The tasks that reach each on this rank, as bits.
        count: How many tasks there are.
    """
    if not dist.is_initialized():
        return {p: reached[p] for p in parameters if p in reached}
    rows = [[reached.get(p, 0) >> t & 1 for t in range(count)] for p in parameters]
    flags = torch.tensor(rows, dtype=torch.uint8, device=parameters[0].device)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    masks = [sum(on << t for t, on in enumerate(row)) for row in flags.tolist()]
    return {p: mask for p, mask in zip(parameters, masks, strict=True) if mask}
