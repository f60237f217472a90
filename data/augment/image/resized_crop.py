"""A random part of an image, at its size."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("resized_crop")
class ResizedCrop(Augmentation):
    """Cuts a random part of each image, resizes it to the image's size, and perhaps reflects it.

    The part has a share of the area and a ratio of width to height, the latter uniform in its logarithm.
    Source: Szegedy et al. 2015, "Going Deeper with Convolutions" (§6); the weak augmentation of SimCLR.

    Args:
        area: Least and largest share of the area.
        ratio: Least and largest ratio of width to height.
        flip: Probability of a reflection, left to right.

    Shape:
        x ``[B, C, H, W]``; drawn ``crop [B, 4]`` (top, left, height, width, in shares) and ``flip [B]``.

    Raises:
        ValueError: Numbers out of range, or ``x`` holds no images.

    Example:
        >>> ResizedCrop(area=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0)(torch.eye(3).reshape(1, 1, 3, 3)).x[0, 0]
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """

    def __init__(
        self,
        *,
        area: tuple[float, float] = (0.2, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
    ) -> None:
        super().__init__()
        if not (0 < area[0] <= area[1] <= 1 and 0 < ratio[0] <= ratio[1]) or not 0 <= flip <= 1:
            raise ValueError(
                f"`area` should be shares from above 0 to 1, `ratio` above 0, both least first, and `flip` "
                f"from 0 to 1. Found {area}, {ratio} and {flip}."
            )
        self.area, self.ratio, self.flip = area, ratio, flip

    def check(self, x: Tensor) -> None:
        if x.dim() != 4 or not x.is_floating_point():
            raise ValueError(
                f"`x` should be floats [batch, channels, height, width]. Found {(*x.shape,)} of {x.dtype}."
            )

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        u = torch.rand(len(rows), 5, generator=generator)
        area = self.area[0] + u[:, 0] * (self.area[1] - self.area[0])
        low, high = (math.log(value) for value in self.ratio)
        ratio = (low + u[:, 1] * (high - low)).exp() * (x.shape[2] / x.shape[3])
        height, width = ((area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1))
        crop = torch.stack([u[:, 2] * (1 - height), u[:, 3] * (1 - width), height, width], 1)
        flip = u[:, 4] < self.flip
        crop, flip, rows = (v.to(x.device, non_blocking=True) for v in (crop, flip, rows))
        top, left, height, width = crop.unbind(1)
        theta = crop.new_zeros(len(crop), 2, 3)  # from the result's places to the image's, both from -1 to 1
        theta[:, 0, 0], theta[:, 0, 2] = width * torch.where(flip, -1.0, 1.0), 2 * left + width - 1
        theta[:, 1, 1], theta[:, 1, 2] = height, 2 * top + height - 1
        taken = x.index_select(0, rows)
        if len(rows) == 0:
            return taken, {"crop": crop, "flip": flip.long()}
        places = F.affine_grid(theta.to(x), list(taken.shape), align_corners=False)
        parts = F.grid_sample(taken, places, padding_mode="border", align_corners=False)
        return parts, {"crop": crop, "flip": flip.long()}
