"""Cells of a table that other rows replace."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("swap_cells")
class SwapCells(Augmentation):
    """Puts the cell of another row of the batch in place of random cells; which ones is drawn, for a task.

    Each cell has a row of its own, so that a column keeps its distribution and the rows lose what connects
    their columns. A row alone in its batch stays as it is.
    Source: Bahri et al. 2022, "SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption"
    (algorithm 1), with the batch for the training set.

    Args:
        share: Probability with which each cell is replaced.

    Shape:
        x ``[B, ...]``; drawn ``swapped [B, ...]`` (True).

    Raises:
        ValueError: ``share`` is not from 0 to 1.

    Example:
        >>> out = SwapCells(share=1.0)(torch.tensor([[1.0, 10.0], [2.0, 20.0]]))
        >>> out.x.tolist()
        [[2.0, 20.0], [1.0, 10.0]]
    """

    reads_batch = True

    def __init__(self, *, share: float = 0.6) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"`share` should be from 0 to 1. Found {share}.")
        self.share = share

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        shape = (len(rows), *x.shape[1:])
        swapped = torch.rand(shape, generator=generator) < self.share
        if len(x) < 2:
            swapped = torch.zeros_like(swapped)
        step = torch.randint(1, max(2, len(x)), shape, generator=generator)
        other = (rows.reshape(-1, *[1] * (x.dim() - 1)) + step) % len(x)  # any row but itself
        swapped, other, rows = (v.to(x.device, non_blocking=True) for v in (swapped, other, rows))
        return torch.where(swapped, x.gather(0, other), x.index_select(0, rows)), {"swapped": swapped}
