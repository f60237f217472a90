"""Front-ends that turn waveforms into frames."""

from encoders.features.fbank import Fbank
from encoders.features.logmel import LogMel
from encoders.features.mfcc import MFCC
from encoders.features.waveform import load_waveform

__all__ = ["MFCC", "Fbank", "LogMel", "load_waveform"]
