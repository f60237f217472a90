"""Augmentation of texts, as ids."""

from sennit.data.augment.text.drop_ids import DropIds
from sennit.data.augment.text.switchout import Switchout

__all__ = ["DropIds", "Switchout"]
