"""Augmentation of images."""

from sennit.data.augment.image.auto_augment import AutoAugment
from sennit.data.augment.image.cutout import Cutout
from sennit.data.augment.image.jigsaw import Jigsaw
from sennit.data.augment.image.rand_augment import RandAugment
from sennit.data.augment.image.resized_crop import ResizedCrop
from sennit.data.augment.image.rotation import Rotation
from sennit.data.augment.image.shift import Shift

__all__ = ["AutoAugment", "Cutout", "Jigsaw", "RandAugment", "ResizedCrop", "Rotation", "Shift"]
