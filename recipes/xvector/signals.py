"""Measures of a recording's signal, by which a calibration knows recordings unlike its own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

_FRAME_S, _EMPHASIS = 0.032, 0.97
_BAND = 0.99  # share of the power below the bandwidth
_FLOOR = 1e-12

# How far each measure may fall below and exceed the range of the calibration, in its units. Longer recordings
# than those of the calibration have fewer errors.
TOLERANCE: Mapping[str, tuple[float, float]] = {
    "duration": (1.0, 3.0),
    "energy": (6.0, 6.0),
    "bandwidth": (0.1, 0.1),
    "sample rate": (0.1, 0.1),
}


def measures_of(x: Tensor, sample_rate: int, recorded_rate: int) -> dict[str, float]:
    """Return the duration, mean power, bandwidth and sample rate of a recording.

    The bandwidth is the frequency below which 99 % of the power is, after pre-emphasis. A sample rate above
    the waveform's counts as the waveform's: nothing is missing from it.

    Args:
        x: Waveform.
        sample_rate: Sample rate of the waveform, in Hz.
        recorded_rate: Sample rate of the recording, in Hz.

    Shape:
        x ``[T]``, of 2 samples or more.

    Units:
        log₂ s, dB of full scale, log₂ Hz, log₂ Hz.

    Example:
        >>> tone = torch.sin(2 * torch.pi * 440 / 16000 * torch.arange(32000))
        >>> measures = measures_of(tone, 16000, 44100)
        >>> {name: round(value, 1) for name, value in measures.items()}
        {'duration': 1.0, 'energy': -3.0, 'bandwidth': 8.9, 'sample rate': 14.0}
    """
    frame = min(len(x) - 1, round(_FRAME_S * sample_rate))
    emphasised = (x[1:] - _EMPHASIS * x[:-1]).unfold(0, frame, max(1, frame // 2))
    window = torch.hann_window(frame, device=x.device)
    power = torch.fft.rfft(emphasised * window).abs().square().mean(0) + _FLOOR
    below = int((power.cumsum(0) < _BAND * power.sum()).sum())
    return {
        "duration": math.log2(len(x) / sample_rate),
        "energy": 10 * math.log10(float(x.square().mean()) + _FLOOR),
        "bandwidth": math.log2(max(below, 1) * sample_rate / frame),
        "sample rate": math.log2(min(recorded_rate, sample_rate)),
    }
