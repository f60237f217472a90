"""Normal noise."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import Augmentation, register_augment


@register_augment("gaussian_noise")
class GaussianNoise(Augmentation):
    """Adds normal noise to every value: of images, series, or the numbers of a table.

    Missing cells (NaN) stay missing.
    Source: Bishop 1995, "Training with Noise is Equivalent to Tikhonov Regularization".

    Args:
        std: Standard deviation of the noise, in units of the input.
        features: Number of leading features of the last axis that are changed, such as the numbers of a table
            whose other columns are codes; all when None.

    Shape:
        x ``[B, ...]`` of floats, mask ``[B, T]``.

    Raises:
        ValueError: ``std`` is not above 0, or ``x`` holds ids.

    Example:
        >>> noisy = GaussianNoise(std=0.1, features=1)(torch.zeros(1000, 2)).x
        >>> noisy.std(0).mul(10).round().tolist()
        [1.0, 0.0]
    """

    def __init__(self, *, std: float, features: int | None = None) -> None:
        super().__init__()
        if not 0 < std < math.inf:
            raise ValueError(f"`std` should be more than 0. Found {std}.")
        self.std, self.features = std, features

    def check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise ValueError(f"`x` should hold floats. Found {x.dtype}. Use an augmentation of ids.")

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        taken = x.index_select(0, rows.to(x.device, non_blocking=True))
        noise = self.std * torch.randn(taken.shape, generator=generator)
        if self.features is not None:
            noise[..., self.features :] = 0
        return taken + noise.to(taken.device, taken.dtype, non_blocking=True), {}
