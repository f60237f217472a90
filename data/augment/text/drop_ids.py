"""Ids of a text that are taken for an unknown one."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("drop_ids")
class DropIds(Augmentation):
    """Puts another id, such as that of an unknown token, in place of random ids of each text.

    Source: the word dropout of Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for
    Text Classification" (§3.1), with a token in place of nothing.

    Args:
        share: Probability with which each id is dropped.
        token: Id in its place.

    Shape:
        x ``[B, T]`` of ids, mask ``[B, T]``; drawn ``dropped [B, T]`` (True).

    Raises:
        ValueError: ``share`` is not from 0 to 1, or ``x`` holds no ids.

    Example:
        >>> DropIds(share=1.0, token=7)(torch.ones(1, 3, dtype=torch.long)).x.tolist()
        [[7, 7, 7]]
    """

    def __init__(self, *, share: float, token: int) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"`share` should be from 0 to 1. Found {share}.")
        self.share, self.token = share, token

    def check(self, x: Tensor) -> None:
        if x.dim() != 2 or x.is_floating_point():
            raise ValueError(f"`x` should be ids [batch, time]. Found {(*x.shape,)} of {x.dtype}.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        rows = rows.to(x.device, non_blocking=True)
        taken = x.index_select(0, rows)
        dropped = torch.rand(taken.shape, generator=generator).to(x.device, non_blocking=True) < self.share
        if mask is not None:
            dropped = dropped & mask.index_select(0, rows)
        return taken.masked_fill(dropped, self.token), {"dropped": dropped}
