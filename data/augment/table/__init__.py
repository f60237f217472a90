"""Augmentation of tables."""

from sennit.data.augment.table.mask_cells import MaskCells
from sennit.data.augment.table.swap_cells import SwapCells

__all__ = ["MaskCells", "SwapCells"]
