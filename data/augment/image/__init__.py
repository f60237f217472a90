"""Augmentation of images."""

from sennit.data.augment.image.rotation import Rotation
from sennit.data.augment.image.shift import Shift

__all__ = ["Rotation", "Shift"]
