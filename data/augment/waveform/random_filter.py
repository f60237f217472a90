"""A random channel: each recording passes a smooth filter of its own."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, same_energy, take, uniform
from sennit.data.augment.waveform.convolution import convolve


@register_augment("random_filter")
class RandomFilter(WaveformAugmentation):
    """Raises and lowers bands of frequencies, as other microphones and rooms would; the energy is kept.

    The gains of a few points, evenly spaced on the mel scale, are drawn in dB and joined by lines; the
    filter of these gains is short and symmetric, and delays nothing. Use it for a corpus in which each
    speaker has one channel, which would otherwise give the speaker away.
    Source: a random equaliser; the filter is made by frequency sampling (Oppenheim & Schafer,
    "Discrete-Time Signal Processing", §7.5), the mel scale is that of O'Shaughnessy 1987.

    Args:
        sample_rate: Sample rate in Hz.
        gain_db: Largest gain by which a point is raised or lowered.
        points: Number of points from 0 Hz to half the sample rate.
        taps: Length of the filter in samples, odd.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn is empty.

    Units:
        ``sample_rate`` in Hz, ``gain_db`` in dB.

    Raises:
        ValueError: ``gain_db`` is below 0, there are fewer than 2 points, or the taps are even or below 3.

    Example:
        >>> RandomFilter(8000)(torch.randn(2, 1000)).x.shape
        torch.Size([2, 1000])
    """

    bands: Tensor
    window: Tensor

    def __init__(self, sample_rate: int, *, gain_db: float = 10.0, points: int = 10, taps: int = 255) -> None:
        super().__init__()
        if gain_db < 0 or points < 2 or taps < 3 or taps % 2 == 0:
            raise ValueError(
                f"`gain_db` should be 0 or more, `points` 2 or more, and `taps` odd and 3 or more. Found "
                f"{gain_db}, {points}, {taps}."
            )
        self.gain_db, self.taps = gain_db, taps
        hertz = torch.linspace(0, sample_rate / 2, taps // 2 + 1, dtype=torch.float64)
        place = (1 + hertz / 700).log() / math.log(1 + sample_rate / 1400) * (points - 1)
        hats = (1 - (place - torch.arange(points).unsqueeze(1)).abs()).clamp_min(0)
        self.register_buffer("bands", hats.float(), persistent=False)
        window = torch.hann_window(taps + 2, periodic=False)[1:-1]
        self.register_buffer("window", window, persistent=False)

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        wave, valid = take(x, mask, rows)
        gains = uniform((len(rows), len(self.bands)), (-self.gain_db, self.gain_db), generator, x.device)
        amplitude = 10 ** (gains @ self.bands.to(x.device) / 20)
        response = torch.fft.irfft(amplitude, self.taps).roll(self.taps // 2, 1) * self.window.to(x.device)
        centre = torch.full((len(rows),), self.taps // 2, device=x.device)
        return same_energy(convolve(wave, response.to(x.dtype), centre), wave, valid), {}
