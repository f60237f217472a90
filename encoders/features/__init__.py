"""Front-ends that turn waveforms into frames."""

from encoders.features.logmel import LogMel
from encoders.features.waveform import load_waveform

__all__ = ["LogMel", "load_waveform"]
