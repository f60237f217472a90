"""Log-mel spectrogram of waveforms of different lengths."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders.features.frames import band_energies, check_length, check_spans, frame_mask
from sennit.encoders.layers.kept_precision import KeptPrecision
from sennit.encoders.layers.standardise import Standardise
from sennit.extras import require
from sennit.registry import check_names

NORMALISATIONS = ("utterance", "global")


class LogMel(KeptPrecision):
    """Logarithm of the energy in mel bands, each band standardised by statistics that `fit` sets.

    Source: Davis & Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word
    Recognition", 1980; the triangular filters of ``torchaudio.functional.melscale_fbanks``. Frames
    lie wholly within the recording, so that none sees padding.

    Args:
        sample_rate: Sample rate in Hz.
        n_mels: Number of bands, from 0 Hz to half the sample rate.
        window_s: Length of a frame in seconds.
        hop_s: Distance between frames in seconds.
        normalise: ``"global"``, or ``"utterance"`` to subtract from each recording the mean of its frames
            first, and with it the effect of a fixed channel and much of a voice.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; frames ``[B, 1 + (T - window) // hop, n_mels]`` and their mask.

    Units:
        ``sample_rate`` in Hz, ``window_s`` and ``hop_s`` in seconds.

    Raises:
        ValueError: A recording is shorter than one window (lengths are checked on the CPU only), or
            ``normalise`` is unknown.
        ImportError: torchaudio is not installed.

    Example:
        >>> frames, mask = LogMel(8000, n_mels=40)(torch.randn(2, 8000))
        >>> frames.shape, mask
        (torch.Size([2, 98, 40]), None)
    """

    bands: Tensor
    taper: Tensor

    def __init__(
        self,
        sample_rate: int,
        *,
        n_mels: int = 64,
        window_s: float = 0.025,
        hop_s: float = 0.01,
        normalise: str = "global",
    ) -> None:
        super().__init__()
        check_names("normalisation", [normalise], NORMALISATIONS)
        self.normalise = normalise
        self.sample_rate = sample_rate
        self.window, self.hop = round(window_s * sample_rate), round(hop_s * sample_rate)
        check_spans(self.window, self.hop, sample_rate)
        # Bins closer than half the lowest band is wide, so that no band falls between two of them.
        mel_step = 2595 * math.log10(1 + sample_rate / 1400) / (n_mels + 1)
        lowest_hz = 700 * (10 ** (mel_step / 2595) - 1)
        self.n_fft = 2 ** math.ceil(math.log2(max(self.window, sample_rate / lowest_hz)))
        functional = require("torchaudio.functional", "audio")
        bands = functional.melscale_fbanks(self.n_fft // 2 + 1, 0.0, sample_rate / 2, n_mels, sample_rate)
        self.register_buffer("bands", bands, persistent=False)
        taper = F.pad(torch.hann_window(self.window), (0, self.n_fft - self.window))
        self.register_buffer("taper", taper, persistent=False)
        self.standardise = Standardise(n_mels)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and scale of each band from training recordings; padding is left out."""
        self.standardise.fit(*self._frames(x, mask))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        frames, mask = self._frames(x, mask)
        return zero_padding(self.standardise(frames), mask), mask

    def _frames(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        check_length(x, mask, self.window, self.sample_rate)
        # Energies span more decades than half precision holds.
        with torch.autocast(x.device.type, enabled=False):
            x = F.pad(zero_padding(x.float(), mask), (0, self.n_fft - self.window))
            taper = self.taper.float()
            energy = band_energies(x, self.n_fft, self.hop, taper.mul, self.bands)
        frames, mask = (energy + 1e-6).log(), frame_mask(mask, self.window, self.hop)
        if self.normalise == "utterance":
            frames = frames - masked_mean(frames, mask).unsqueeze(1)
        return frames, mask
