"""A random rotation by quarter turns."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("rotation")
class Rotation(Augmentation):
    """Rotates each image by 0, 90, 180 or 270 degrees, each as likely; which one is a target for a task.

    Source: Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations" (§2.1).

    Shape:
        x ``[B, C, S, S]``; drawn ``rotation [B]``, the number of quarter turns counter-clockwise.

    Raises:
        ValueError: The images are not square.

    Example:
        >>> out = Rotation()(torch.arange(4.0).reshape(1, 1, 2, 2))
        >>> turns = int(out.drawn["rotation"])
        >>> torch.equal(out.x, torch.arange(4.0).reshape(1, 1, 2, 2).rot90(turns, (2, 3)))
        True
    """

    def check(self, x: Tensor) -> None:
        if x.dim() != 4 or x.shape[2] != x.shape[3]:
            raise ValueError(
                f"`x` should be square images [batch, channels, side, side]. Found {(*x.shape,)}. Crop them, "
                f"as a quarter turn of others has another shape."
            )

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        turns = torch.randint(4, (len(rows),), generator=generator).to(x.device, non_blocking=True)
        taken = x.index_select(0, rows.to(x.device, non_blocking=True))
        turned = torch.stack([taken.rot90(k, (2, 3)) for k in range(4)])
        return turned[turns, torch.arange(len(rows), device=x.device)], {"rotation": turns}
