"""Augmentation of series: steps of several channels."""

from sennit.data.augment.series.jitter import Jitter
from sennit.data.augment.series.magnitude_warp import MagnitudeWarp
from sennit.data.augment.series.mask_spans import MaskSpans
from sennit.data.augment.series.permutation import Permutation
from sennit.data.augment.series.rotate_axes import RotateAxes
from sennit.data.augment.series.scaling import Scaling
from sennit.data.augment.series.time_shift import TimeShift
from sennit.data.augment.series.time_warp import TimeWarp
from sennit.data.augment.series.window_slice import WindowSlice
from sennit.data.augment.series.window_warp import WindowWarp

__all__ = [
    "Jitter",
    "MagnitudeWarp",
    "MaskSpans",
    "Permutation",
    "RotateAxes",
    "Scaling",
    "TimeShift",
    "TimeWarp",
    "WindowSlice",
    "WindowWarp",
]
