"""Augmentation of series: steps of several channels."""

from sennit.data.augment.series.mask_spans import MaskSpans

__all__ = ["MaskSpans"]
