"""The tiles of an image in another order."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment

_CANDIDATES = 512  # permutations compared for each that is chosen


@register_augment("jigsaw")
class Jigsaw(Augmentation):
    """Cuts each image into tiles and lays them in one of several orders; which one is a target for a task.

    The orders are far from each other: each is, of some hundred random ones, the one with the largest
    Hamming distance to the nearest order so far. The paper's network reads the tiles apart; here any encoder
    reads the image that they make. Rows and columns that no tile fills are cut off at the end, and are zero.
    Source: Noroozi & Favaro 2016, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles"
    (§4.2, algorithm 1).

    Args:
        orders: Number of orders.
        side: Number of tiles along each axis.

    Shape:
        x ``[B, C, H, W]``; drawn ``order [B]``, from 0 to ``orders - 1``.

    Raises:
        ValueError: Fewer than two tiles or orders, more orders than tiles have, or images smaller than the
            tiles.

    Example:
        >>> jigsaw = Jigsaw(orders=2, side=2)
        >>> out = jigsaw(torch.arange(4.0).reshape(1, 1, 2, 2))
        >>> out.x.flatten().long().tolist() == jigsaw.tiles[int(out.drawn["order"])].tolist()
        True
    """

    tiles: Tensor

    def __init__(self, *, orders: int = 100, side: int = 3) -> None:
        super().__init__()
        if side < 2 or not 2 <= orders <= math.factorial(side * side):
            raise ValueError(
                f"`side` should be 2 or more, and `orders` from 2 to the number of orders of the tiles, "
                f"{math.factorial(max(side, 0) ** 2)}. Found {side} and {orders}."
            )
        self.side = side
        self.register_buffer("tiles", _distant_orders(orders, side * side), persistent=False)

    def check(self, x: Tensor) -> None:
        if x.dim() != 4 or min(x.shape[2:]) < self.side:
            raise ValueError(
                f"`x` should be images [batch, channels, height, width] of {self.side} pixels or more a "
                f"side. Found {(*x.shape,)}."
            )

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        order = torch.randint(len(self.tiles), (len(rows),), generator=generator)
        order, rows = (v.to(x.device, non_blocking=True) for v in (order, rows))
        taken, side = x.index_select(0, rows), self.side
        height, width = (size // side for size in x.shape[2:])
        cut = taken[:, :, : side * height, : side * width]
        tiles = cut.unfold(2, height, height).unfold(3, width, width).flatten(2, 3)  # [R, C, tiles, h, w]
        places = self.tiles.to(x.device)[order]
        laid = tiles.gather(2, places[:, None, :, None, None].expand_as(tiles))
        laid = laid.reshape(*laid.shape[:2], side, side, height, width).transpose(3, 4).reshape(cut.shape)
        out = torch.zeros_like(taken)
        out[:, :, : side * height, : side * width] = laid
        return out, {"order": order}


def _distant_orders(count: int, tiles: int) -> Tensor:
    """Return permutations far from each other ``[count, tiles]``, the same in every process."""
    random = torch.Generator().manual_seed(0)
    chosen = torch.arange(tiles).unsqueeze(0)
    while len(chosen) < count:
        drawn = torch.rand(_CANDIDATES, tiles, generator=random).argsort(1)
        nearest = (drawn[:, None] != chosen).sum(2).amin(1)
        chosen = torch.cat([chosen, drawn[nearest.argmax()].unsqueeze(0)])
        chosen = torch.unique(chosen, dim=0) if int(nearest.max()) == 0 else chosen
    return chosen
