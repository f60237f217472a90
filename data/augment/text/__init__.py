"""Augmentation of texts, as ids."""

from sennit.data.augment.text.drop_ids import DropIds

__all__ = ["DropIds"]
