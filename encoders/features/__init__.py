"""Front-ends that turn waveforms into frames."""

from sennit.encoders.features.fbank import Fbank
from sennit.encoders.features.logmel import LogMel
from sennit.encoders.features.mfcc import MFCC
from sennit.encoders.features.pitch import Pitch
from sennit.encoders.features.sound_file import sound_length
from sennit.encoders.features.vad import EnergyVAD, keep_speech
from sennit.encoders.features.waveform import load_waveform

__all__ = [
    "MFCC",
    "EnergyVAD",
    "Fbank",
    "LogMel",
    "Pitch",
    "keep_speech",
    "load_waveform",
    "open_sound",
    "sound_length",
]
