"""Augmentation in batch, one folder a kind of input; what any kind of input takes stands here."""

from sennit.data.augment._base import (
    AUGMENTS,
    Augmentation,
    Augmented,
    create_augment,
    list_augments,
    register_augment,
)
from sennit.data.augment.chain import Chain
from sennit.data.augment.gaussian_noise import GaussianNoise
from sennit.data.augment.image import AutoAugment, Cutout, Jigsaw, RandAugment, ResizedCrop, Rotation, Shift
from sennit.data.augment.one_of import OneOf
from sennit.data.augment.series import (
    Jitter,
    MagnitudeWarp,
    MaskSpans,
    Permutation,
    RotateAxes,
    Scaling,
    TimeShift,
    TimeWarp,
    WindowSlice,
    WindowWarp,
)
from sennit.data.augment.table import MaskCells, SwapCells
from sennit.data.augment.text import DropIds, Switchout
from sennit.data.augment.waveform import RandomGain as _waveforms  # noqa: F401  (registers them)

__all__ = [
    "AUGMENTS",
    "Augmentation",
    "Augmented",
    "AutoAugment",
    "Chain",
    "Cutout",
    "DropIds",
    "GaussianNoise",
    "Jigsaw",
    "Jitter",
    "MagnitudeWarp",
    "MaskCells",
    "MaskSpans",
    "OneOf",
    "Permutation",
    "RandAugment",
    "ResizedCrop",
    "RotateAxes",
    "Rotation",
    "Scaling",
    "Shift",
    "SwapCells",
    "Switchout",
    "TimeShift",
    "TimeWarp",
    "WindowSlice",
    "WindowWarp",
    "create_augment",
    "list_augments",
    "register_augment",
]
