"""Pitch of frames by autocorrelation."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.data.masking import zero_padding
from sennit.encoders.features.frames import frame_mask
from sennit.encoders.layers.kept_precision import KeptPrecision


class Pitch(KeptPrecision):
    """Logarithm of the fundamental frequency, and how periodic each frame is.

    The autocorrelation of the windowed frame is divided by that of the window, which removes the slope of the
    window; the pitch is the lag of its highest peak between the two frequencies. Where a frame is not
    periodic the pitch means nothing, and ``strength`` is near 0: weigh by it.

    Source: Boersma, "Accurate Short-Term Analysis of the Fundamental Frequency and the
    Harmonics-to-Noise Ratio of a Sampled Sound", 1993, equations 7 to 9, without its path over frames.

    Args:
        sample_rate: Sample rate in Hz.
        window_s: Length of a frame in seconds; three periods of ``low_hz`` fit in the default.
        hop_s: Distance between frames in seconds.
        low_hz: Lowest frequency.
        high_hz: Highest frequency.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; frames ``[B, 1 + (T - window) // hop, 2]`` and their mask: log of the
        frequency, then strength from 0 to 1. A recording shorter than a frame is filled with silence to one.

    Units:
        ``sample_rate``, ``low_hz`` and ``high_hz`` in Hz, ``window_s`` and ``hop_s`` in seconds.

    Example:
        >>> time = torch.arange(8000) / 8000
        >>> frames, _ = Pitch(8000)(torch.sin(2 * torch.pi * 200 * time).unsqueeze(0))
        >>> round(float(frames[0, 20, 0].exp())), bool(frames[0, 20, 1] > 0.95)
        (200, True)
    """

    taper: Tensor
    window_correlation: Tensor

    def __init__(
        self,
        sample_rate: int,
        *,
        window_s: float = 0.05,
        hop_s: float = 0.01,
        low_hz: float = 60.0,
        high_hz: float = 500.0,
    ) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.window, self.hop = round(window_s * sample_rate), round(hop_s * sample_rate)
        self.shortest, self.longest = int(sample_rate / high_hz), int(sample_rate / low_hz)
        self.n_fft = 1 << (self.window + self.longest).bit_length()
        self.register_buffer("taper", torch.hann_window(self.window), persistent=False)
        self.register_buffer("window_correlation", self._correlation(self.taper), persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = zero_padding(x, mask).float()
        with torch.autocast(x.device.type, enabled=False):
            frames = x.unfold(1, self.window, self.hop)
            frames = (frames - frames.mean(-1, keepdim=True)) * self.taper
            correlation = self._correlation(frames) / self.window_correlation
        peaks = correlation[..., self.shortest : self.longest + 1]
        strength, lag = peaks.max(-1)
        pitch = (self.sample_rate / (lag + self.shortest).to(x.dtype)).log()
        return torch.stack([pitch, strength.clamp(0, 1)], -1), frame_mask(mask, self.window, self.hop)

    def _correlation(self, frames: Tensor) -> Tensor:
        """Return the autocorrelation up to the longest lag, 1 at lag 0; 0 in a silent frame."""
        power = torch.fft.rfft(frames, self.n_fft).abs().square()
        correlation: Tensor = torch.fft.irfft(power, self.n_fft)[..., : self.longest + 1]
        return correlation / correlation[..., :1].clamp_min(1e-8)
