"""Augmentation of waveforms and frames, in batch, on the device on which they are."""

from encoders.augment._base import (
    Augmentation,
    Augmented,
    create_augment,
    list_augments,
    register_augment,
)
from encoders.augment.additive_noise import AdditiveNoise
from encoders.augment.babble import Babble
from encoders.augment.chain import Chain
from encoders.augment.clips import Clips
from encoders.augment.musan import musan
from encoders.augment.one_of import OneOf
from encoders.augment.random_filter import RandomFilter
from encoders.augment.random_gain import RandomGain
from encoders.augment.reverberation import Reverberation
from encoders.augment.spec_augment import SpecAugment
from encoders.augment.speed_perturbation import SpeedPerturbation
from encoders.augment.synthetic_reverberation import SyntheticReverberation

__all__ = [
    "AdditiveNoise",
    "Augmentation",
    "Augmented",
    "Babble",
    "Chain",
    "Clips",
    "OneOf",
    "RandomFilter",
    "RandomGain",
    "Reverberation",
    "SpecAugment",
    "SpeedPerturbation",
    "SyntheticReverberation",
    "create_augment",
    "list_augments",
    "musan",
    "register_augment",
]
