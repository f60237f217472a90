"""Random operations of one strength."""

from __future__ import annotations

from sennit.data.augment._base import register_augment
from sennit.data.augment.image._seeded import SeededTransform, torchvision_transforms

_MOST = 30  # strength of the paper's scale in torchvision


@register_augment("rand_augment")
class RandAugment(SeededTransform):
    """Applies operations drawn from fourteen (shears, shifts, rotation, colours, equalisation …), all of one
    strength.

    It is the strong augmentation of semi-supervised learning. The operations are torchvision's.
    Source: Cubuk et al. 2020, "RandAugment: Practical Automated Data Augmentation with a Reduced Search
    Space" (figure 2).

    Args:
        count: Number of operations (N).
        strength: Strength of each (M), from 0 to 30.
        mean: Mean that was subtracted when the images were read; of each channel, or of all.
        std: Deviation by which they were divided.

    Shape:
        x ``[B, C, H, W]`` with 1 or 3 channels; drawn is empty.

    Raises:
        ValueError: ``count`` is below 1, ``strength`` out of range, or pixels are not from 0 to 1.
        ImportError: The extra `image` is not installed.

    Example:
        >>> import torch
        >>> x = torch.rand(2, 3, 8, 8)
        >>> out, again = (RandAugment()(x, generator=torch.Generator().manual_seed(0)).x for _ in range(2))
        >>> out.shape == x.shape, torch.equal(out, again)
        (True, True)
    """

    def __init__(
        self,
        *,
        count: int = 2,
        strength: int = 10,
        mean: float | list[float] = 0.0,
        std: float | list[float] = 1.0,
    ) -> None:
        if count < 1 or not 0 <= strength <= _MOST:
            raise ValueError(
                f"`count` should be 1 or more, and `strength` from 0 to {_MOST}. Found {count} "
                f"and {strength}."
            )
        v2 = torchvision_transforms()
        transform = v2.RandAugment(num_ops=count, magnitude=strength, num_magnitude_bins=_MOST + 1)
        super().__init__(transform, mean, std)
