"""A random shift and reflection."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("shift")
class Shift(Augmentation):
    """Shifts each image by up to some pixels along both axes, with zeros behind, and perhaps reflects it.

    It is the weak augmentation of semi-supervised learning.
    Source: Sohn et al. 2020, "FixMatch" (§2.3).

    Args:
        pixels: Most pixels of a shift, in either direction.
        flip: Probability of a reflection, left to right.

    Shape:
        x ``[B, C, H, W]``; drawn ``shift [B, 2]`` (down, right) and ``flip [B]``.

    Units:
        ``pixels`` in pixels.

    Raises:
        ValueError: ``pixels`` is below 0, ``flip`` not from 0 to 1, or ``x`` holds no images.

    Example:
        >>> out = Shift(pixels=1)(torch.ones(1, 1, 3, 3))
        >>> down, right = (3 - out.drawn["shift"][0].abs()).tolist()
        >>> int(out.x.sum()) == down * right
        True
    """

    def __init__(self, *, pixels: int = 2, flip: float = 0.0) -> None:
        super().__init__()
        if pixels < 0 or not 0 <= flip <= 1:
            raise ValueError(
                f"`pixels` should be 0 or more, and `flip` from 0 to 1. Found {pixels} and {flip}."
            )
        self.pixels, self.flip = pixels, flip

    def check(self, x: Tensor) -> None:
        if x.dim() != 4:
            raise ValueError(f"`x` should be images [batch, channels, height, width]. Found {(*x.shape,)}.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        shift = torch.randint(-self.pixels, self.pixels + 1, (len(rows), 2), generator=generator)
        flip = torch.rand(len(rows), generator=generator) < self.flip
        shift, flip, rows = (v.to(x.device, non_blocking=True) for v in (shift, flip, rows))
        taken = x.index_select(0, rows)
        height, width = x.shape[2:]
        taken = torch.where(flip[:, None, None, None], taken.flip(3), taken)
        padded = F.pad(taken, [self.pixels] * 4)
        down = self.pixels - shift[:, 0, None] + torch.arange(height, device=x.device)
        right = self.pixels - shift[:, 1, None] + torch.arange(width, device=x.device)
        row = torch.arange(len(rows), device=x.device)[:, None, None]
        moved = padded.movedim(1, 3)[row, down[:, :, None], right[:, None, :]].movedim(3, 1)
        return moved, {"shift": shift, "flip": flip.long()}
