"""Masked stretches of time and bands of frequency of a waveform."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, take
from sennit.data.augment.waveform.spec_augment import spans
from sennit.sizes import check_at_least

WINDOW_S = 0.025
MELS = 64
_FLOOR = 1e-5  # of the largest magnitude


@register_augment("spec_augment")
class SpecAugmentWaveform(WaveformAugmentation):
    """Hides random stretches of time and bands of frequency of each recording, for any encoder of waveforms.

    A hidden place of the short-time spectrum ``Z`` gets the recording's mean logarithmic magnitude at its
    frequency, ``|Z'_tf| = exp(Σ_s log|Z_sf| / T)``, and keeps its phase. The widths of stretches and bands
    are drawn from 0 to the largest. Within a network, `SpecAugment` hides frames.
    Source: Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition" (§2), in the spectrum of windows of 25 ms.

    Args:
        sample_rate: Sample rate in Hz.
        time_masks: Number of stretches of time in a recording.
        time_s: Longest stretch.
        time_share: Largest share of a recording that a stretch takes (the paper's p).
        bands: Number of bands in a recording.
        band_width: Widest band in 64ths of the mel scale (F).

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn is empty.

    Units:
        ``sample_rate`` in Hz, ``time_s`` in seconds.

    Raises:
        ValueError: A number is below 0, or ``time_share`` above 1.

    Example:
        >>> SpecAugmentWaveform(8000)(torch.randn(2, 4000)).x.shape
        torch.Size([2, 4000])
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        time_masks: int = 2,
        time_s: float = 0.2,
        time_share: float = 0.2,
        bands: int = 2,
        band_width: int = 8,
    ) -> None:
        super().__init__()
        check_at_least(1, "augmentation 'spec_augment'", sample_rate=sample_rate)
        least = {"time_masks": time_masks, "time_s": time_s, "bands": bands, "band_width": band_width}
        check_at_least(0, "augmentation 'spec_augment'", **least)
        if not 0 <= time_share <= 1:
            raise ValueError(f"`time_share` should be from 0 to 1. Found {time_share}.")
        self.time_masks, self.time_share = time_masks, time_share
        self.bands, self.band_width = bands, band_width
        self.hop = max(1, round(WINDOW_S * sample_rate) // 4)
        self.longest = round(time_s * sample_rate / self.hop)
        hz = torch.linspace(0, sample_rate / 2, 2 * self.hop + 1)
        mel = (1 + hz / 700).log()
        self.register_buffer("mel", mel / mel[-1] * MELS, persistent=False)

    mel: Tensor

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        wave, valid = take(x, mask, rows)
        window = torch.hann_window(4 * self.hop, device=wave.device, dtype=wave.dtype)
        # A window of silence at the end, so that the last samples lie within as many frames as others.
        longer = F.pad(wave, (0, 4 * self.hop))
        spectrum = torch.stft(
            longer, 4 * self.hop, self.hop, window=window, pad_mode="constant", return_complex=True
        )
        frame = torch.arange(spectrum.shape[2], device=wave.device)
        count = valid.sum(1).long() // self.hop + 1
        longest = (count * self.time_share).long().clamp(max=self.longest)
        time = spans(self.time_masks, longest, count, frame, generator)
        widest, size = (torch.full_like(count, n) for n in (self.band_width, MELS))
        band = spans(self.bands, widest, size, self.mel.to(wave.device), generator)
        magnitude = spectrum.abs()
        floor = _FLOOR * magnitude.amax((1, 2), keepdim=True) + torch.finfo(wave.dtype).tiny
        within = (frame < count.unsqueeze(1)).unsqueeze(1)
        mean = ((magnitude + floor).log() * within).sum(2, keepdim=True) / count.reshape(-1, 1, 1)
        hidden = (band.unsqueeze(2) | time.unsqueeze(1)) & within
        gain = torch.where(hidden, mean.exp() / (magnitude + floor), 1.0)
        out = torch.istft(spectrum * gain, 4 * self.hop, self.hop, window=window, length=longer.shape[1])
        return out[:, : wave.shape[1]], {}
