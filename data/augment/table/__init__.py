"""Augmentation of tables and other vectors."""

from sennit.data.augment.table.mask_cells import MaskCells

__all__ = ["MaskCells"]
