"""Hidden cells of a table."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("mask_cells")
class MaskCells(Augmentation):
    """Hides random values of each row behind a value; which ones are hidden is drawn, for a task.

    Source: the masking noise of Vincent et al. 2010, "Stacked Denoising Autoencoders" (§3.3).

    Args:
        share: Probability with which each value is hidden.
        value: Value in place of the hidden ones; NaN marks them as missing cells of a table.

    Shape:
        x ``[B, ...]`` of floats; drawn ``hidden [B, ...]`` (True).

    Raises:
        ValueError: ``share`` is not from 0 to 1, or ``x`` holds ids.

    Example:
        >>> out = MaskCells(share=1.0)(torch.ones(1, 2))
        >>> out.x.tolist(), out.drawn["hidden"].tolist()
        ([[0.0, 0.0]], [[True, True]])
    """

    def __init__(self, *, share: float, value: float = 0.0) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"`share` should be from 0 to 1. Found {share}.")
        self.share, self.value = share, value

    def check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise ValueError(f"`x` should hold floats. Found {x.dtype}. Use an augmentation of ids.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken = x.index_select(0, rows.to(x.device, non_blocking=True))
        hidden = torch.rand(taken.shape, generator=generator) < self.share
        hidden = hidden.to(x.device, non_blocking=True)
        return taken.masked_fill(hidden, self.value), {"hidden": hidden}
