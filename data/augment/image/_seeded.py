"""Transforms of torchvision, with random numbers of each image's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation
from sennit.extras import require

_SEEDS = 2**31
_SLACK = 1e-3  # of rounding, where images were normalised


class SeededTransform(Augmentation):
    """Applies a transform of torchvision to each image, seeded by a number drawn for it.

    Args:
        transform: Transform of one image.
        mean: Mean that was subtracted from each channel, or from all, when the image was read.
        std: Deviation by which it was divided.
    """

    def __init__(self, transform: Any, mean: float | list[float], std: float | list[float]) -> None:
        super().__init__()
        self.transform = transform
        self.mean, self.std = (torch.as_tensor(value).reshape(-1, 1, 1) for value in (mean, std))
        if not bool((self.std > 0).all()):
            raise ValueError(f"`std` should be above 0. Found {std}.")

    def check(self, x: Tensor) -> None:
        if x.dim() != 4 or x.shape[1] not in (1, 3) or not x.is_floating_point():
            raise ValueError(
                f"`x` should be floats [batch, 1 or 3 channels, height, width]. Found {(*x.shape,)} of "
                f"{x.dtype}."
            )
        pixels = self._pixels(x)
        if bool(((pixels < -_SLACK) | (pixels > 1 + _SLACK)).any()):
            raise ValueError(
                f"images should lie from 0 to 1 once `mean` and `std` are undone. Found "
                f"{float(pixels.min()):g} to {float(pixels.max()):g}. Give the mean and std with which they "
                f"were read."
            )

    def _pixels(self, x: Tensor) -> Tensor:
        return x * self.std.to(x) + self.mean.to(x)

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        seeds = torch.randint(_SEEDS, (len(rows),), generator=generator).tolist()
        pixels = self._pixels(x.index_select(0, rows.to(x.device, non_blocking=True))).clamp(0, 1)
        changed = []
        with torch.random.fork_rng(devices=[]):
            for image, seed in zip(pixels, seeds, strict=True):
                torch.manual_seed(seed)
                changed.append(self.transform(image))
        stacked = torch.stack(changed) if changed else pixels
        return (stacked - self.mean.to(x)) / self.std.to(x), {}


def torchvision_transforms() -> Any:
    """Return torchvision's transforms.

    Raises:
        ImportError: The extra `image` is not installed.
    """
    return require("torchvision.transforms.v2", "image")
