"""Augmentation of waveforms and frames, in batch, on the device on which they are."""

from sennit.data.augment._base import (
    Augmentation,
    Augmented,
    create_augment,
    list_augments,
    register_augment,
)
from sennit.data.augment.chain import Chain
from sennit.data.augment.one_of import OneOf
from sennit.data.augment.waveform.additive_noise import AdditiveNoise
from sennit.data.augment.waveform.babble import Babble
from sennit.data.augment.waveform.bandwidth import Bandwidth
from sennit.data.augment.waveform.clips import Clips
from sennit.data.augment.waveform.codec import Codec
from sennit.data.augment.waveform.musan import musan
from sennit.data.augment.waveform.random_filter import RandomFilter
from sennit.data.augment.waveform.random_gain import RandomGain
from sennit.data.augment.waveform.reverberation import Reverberation
from sennit.data.augment.waveform.spec_augment import SpecAugment
from sennit.data.augment.waveform.spec_augment_waveform import SpecAugmentWaveform
from sennit.data.augment.waveform.speed_perturbation import SpeedPerturbation
from sennit.data.augment.waveform.synthetic_reverberation import SyntheticReverberation

__all__ = [
    "AdditiveNoise",
    "Augmentation",
    "Augmented",
    "Babble",
    "Bandwidth",
    "Chain",
    "Clips",
    "Codec",
    "OneOf",
    "RandomFilter",
    "RandomGain",
    "Reverberation",
    "SpecAugment",
    "SpecAugmentWaveform",
    "SpeedPerturbation",
    "SyntheticReverberation",
    "create_augment",
    "list_augments",
    "musan",
    "register_augment",
]
