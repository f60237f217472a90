"""The base of Kaldi's front-ends."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders.features.frames import band_energies, check_length, check_spans, frame_mask, mel_bands
from sennit.encoders.layers.kept_precision import KeptPrecision
from sennit.registry import unknown_name

FLOOR = torch.finfo(torch.float32).eps
"""Smallest energy; lower ones are raised to it before the logarithm."""


def _blackman(size: int) -> Tensor:
    turn = 2 * math.pi / (size - 1) * torch.arange(size, dtype=torch.float32)
    return 0.42 - 0.5 * turn.cos() + 0.08 * (2 * turn).cos()


WINDOWS: dict[str, Callable[[int], Tensor]] = {
    "blackman": _blackman,
    "hamming": lambda size: torch.hamming_window(size, periodic=False, dtype=torch.float32),
    "hanning": lambda size: torch.hann_window(size, periodic=False, dtype=torch.float32),
    "povey": lambda size: torch.hann_window(size, periodic=False, dtype=torch.float32).pow(0.85),
    "rectangular": lambda size: torch.ones(size, dtype=torch.float32),
}
"""Symmetric, and in float32 from the start: see `KaldiFrontEnd._windowed`."""


class KaldiFrontEnd(KeptPrecision):
    """Log-mel energies of frames, as Kaldi computes them.

    Each frame loses its mean, then ``preemphasis`` times the sample before (the first sample is its own
    predecessor); the rest is windowed, and padded to a power of two for the Fourier transform.

    Constants are not rounded when the model is cast to half precision.
    """

    taper: Tensor
    bands: Tensor

    def __init__(
        self,
        sample_rate: int,
        *,
        n_mels: int,
        window_s: float,
        hop_s: float,
        low_hz: float,
        high_hz: float | None,
        preemphasis: float,
        window_type: str,
        mean_norm: bool,
    ) -> None:
        super().__init__()
        self.sample_rate, self.preemphasis, self.mean_norm = sample_rate, preemphasis, mean_norm
        # Kaldi truncates; the small term undoes products such as 0.029 * 1000 = 28.999….
        self.window, self.hop = (int(s * sample_rate + 1e-6) for s in (window_s, hop_s))
        check_spans(self.window, self.hop, sample_rate)
        if not 0 <= preemphasis <= 1:
            raise ValueError(f"`preemphasis` should be from 0 to 1. Found {preemphasis}.")
        if window_type not in WINDOWS:
            raise unknown_name("window type", window_type, WINDOWS)
        n_fft = 2 ** math.ceil(math.log2(self.window))
        taper = F.pad(WINDOWS[window_type](self.window), (0, n_fft - self.window))
        self.register_buffer("taper", taper, persistent=False)
        bands = mel_bands(n_mels, n_fft, sample_rate, low_hz, high_hz)
        self.register_buffer("bands", bands, persistent=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        check_length(x, mask, self.window, self.sample_rate)
        with torch.autocast(x.device.type, enabled=False):
            x = zero_padding(x if x.dtype == torch.float64 else x.float(), mask)
            frames = self.features(x)
            mask = frame_mask(mask, self.window, self.hop)
            if self.mean_norm:
                frames = frames - masked_mean(zero_padding(frames, mask), mask).unsqueeze(1)
        return zero_padding(frames, mask), mask

    def features(self, x: Tensor) -> Tensor:
        """Return the frames of whole waveforms.

        Shape:
            ``[B, T]`` to ``[B, F, n]``.
        """
        raise NotImplementedError

    def log_mels(self, x: Tensor) -> Tensor:
        """Return the logarithm of the energy in each mel band.

        Shape:
            ``[B, T]`` to ``[B, F, n_mels]``.
        """
        n_fft = len(self.taper)
        x = F.pad(x, (1, n_fft - self.window))  # a frame, the sample before it, and the padding
        return band_energies(x, n_fft + 1, self.hop, self._windowed, self.bands).clamp_min(FLOOR).log()

    def _windowed(self, frames: Tensor) -> Tensor:
        # In Kaldi's order, so that float32 rounds the same way: it matters for quiet bands beside loud ones.
        frames = frames - frames[..., 1 : self.window + 1].mean(-1, keepdim=True)
        frames[..., 0] = frames[..., 1]
        emphasised = frames[..., 1:] - self.preemphasis * frames[..., :-1]
        return emphasised.mul_(self.taper)
