"""Front-ends that turn waveforms into frames."""

from encoders.features.fbank import Fbank
from encoders.features.logmel import LogMel
from encoders.features.mfcc import MFCC
from encoders.features.vad import EnergyVAD, keep_speech
from encoders.features.waveform import load_waveform

__all__ = ["MFCC", "EnergyVAD", "Fbank", "LogMel", "keep_speech", "load_waveform"]
