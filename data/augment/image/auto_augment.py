"""Published policies of augmentation."""

from __future__ import annotations

from typing import Literal

from sennit.data.augment._base import register_augment
from sennit.data.augment.image._seeded import SeededTransform, torchvision_transforms
from sennit.registry import check_names

_POLICIES = ("imagenet", "cifar10", "svhn")


@register_augment("auto_augment")
class AutoAugment(SeededTransform):
    """Applies one of the 25 pairs of operations of a policy that was learned on a data set.

    The policies and operations are torchvision's.
    Source: Cubuk et al. 2019, "AutoAugment: Learning Augmentation Strategies from Data" (appendix).

    Args:
        policy: Data set of the policy: ``"imagenet"``, ``"cifar10"`` or ``"svhn"``.
        mean: Mean that was subtracted when the images were read; of each channel, or of all.
        std: Deviation by which they were divided.

    Shape:
        x ``[B, C, H, W]`` with 1 or 3 channels; drawn is empty.

    Raises:
        ValueError: An unknown policy, or pixels that are not from 0 to 1.
        ImportError: The extra `image` is not installed.

    Example:
        >>> import torch
        >>> AutoAugment(policy="cifar10")(torch.rand(2, 3, 8, 8)).x.shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        *,
        policy: Literal["imagenet", "cifar10", "svhn"] = "imagenet",
        mean: float | list[float] = 0.0,
        std: float | list[float] = 1.0,
    ) -> None:
        check_names("policy of auto_augment", [policy], _POLICIES)
        v2 = torchvision_transforms()
        super().__init__(v2.AutoAugment(v2.AutoAugmentPolicy(policy)), mean, std)
