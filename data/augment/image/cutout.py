"""A hidden square."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("cutout")
class Cutout(Augmentation):
    """Hides a square of each image; its centre may lie anywhere, so that part of it may lie outside.

    Source: DeVries & Taylor 2017, "Improved Regularization of Convolutional Neural Networks with Cutout"
    (§3).

    Args:
        side: Side of the square.
        value: Value in its place.

    Shape:
        x ``[B, C, H, W]``; drawn ``centre [B, 2]`` (row, column).

    Units:
        ``side`` in pixels.

    Raises:
        ValueError: ``side`` is below 1, or ``x`` holds no images.

    Example:
        >>> out = Cutout(side=1)(torch.ones(1, 2, 4, 4))
        >>> int((out.x == 0).sum())
        2
    """

    def __init__(self, *, side: int, value: float = 0.0) -> None:
        super().__init__()
        if side < 1:
            raise ValueError(f"`side` should be 1 or more. Found {side}.")
        self.side, self.value = side, value

    def check(self, x: Tensor) -> None:
        if x.dim() != 4:
            raise ValueError(f"`x` should be images [batch, channels, height, width]. Found {(*x.shape,)}.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        sizes = torch.tensor(x.shape[2:])
        centre = (torch.rand(len(rows), 2, generator=generator) * sizes).long()
        centre, rows = (v.to(x.device, non_blocking=True) for v in (centre, rows))
        first = centre - self.side // 2
        hidden = None
        for axis, size in enumerate(x.shape[2:]):
            place = torch.arange(size, device=x.device)
            start = first[:, axis, None]
            inside = (place >= start) & (place < start + self.side)
            hidden = inside[:, :, None] if hidden is None else hidden & inside[:, None, :]
        assert hidden is not None
        return x.index_select(0, rows).masked_fill(hidden.unsqueeze(1), self.value), {"centre": centre}
