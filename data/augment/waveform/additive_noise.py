"""Noise, music or voices, added to recordings."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, add_up, check_range, mix, take, uniform
from sennit.data.augment.waveform.clips import Clips

_SECONDS = 600.0  # of a folder


@register_augment("additive_noise")
class AdditiveNoise(WaveformAugmentation):
    """Adds noise at a random signal-to-noise ratio: part of a random clip, the sum of several, or white.

    ``y = x + n · √(E(x) / (E(n) · 10^(SNR/10)))``, the energies E over the recording's valid samples.
    Source: Snyder et al. 2018, "X-vectors: Robust DNN Embeddings for Speaker Recognition" (§3.3); the
    clips are those of MUSAN (Snyder et al. 2015), see `musan`.

    Args:
        clips: Noise, music or voices at the recordings' rate; or a folder of them, of which ten minutes are
            read when the first recording is changed, and not when a saved model is loaded. None: white noise.
        snr_db: Range of each recording's ratio.
        voices: Smallest and largest number of clips that are added up, of equal energy (babble: 3 to 7).
        sample_rate: Sample rate of the recordings, for a folder.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``snr_db [B]``.

    Units:
        ``snr_db`` in dB, ``sample_rate`` in Hz.

    Raises:
        ValueError: A range is not in order, or a folder has no ``sample_rate``.
        FileNotFoundError: There is no recording in the folder.

    Example:
        >>> noisy = AdditiveNoise(Clips([torch.randn(400)]), snr_db=(0, 15))(torch.randn(2, 1000))
        >>> noisy.x.shape, bool((noisy.drawn["snr_db"] <= 15).all())
        (torch.Size([2, 1000]), True)
    """

    def __init__(
        self,
        clips: Clips | str | None = None,
        *,
        snr_db: tuple[float, float],
        voices: tuple[int, int] = (1, 1),
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        check_range("snr_db", snr_db)
        check_range("voices", voices, 1)
        if isinstance(clips, str) and sample_rate is None:
            raise ValueError(f"`sample_rate` should be that of the recordings, for the folder '{clips}'.")
        self.clips = clips if isinstance(clips, Clips) else None
        self.folder, self.sample_rate = clips if isinstance(clips, str) else None, sample_rate
        self.snr_db, self.voices = snr_db, voices

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        speech, valid = take(x, mask, rows)
        count, length = speech.shape
        ratio = uniform((count,), self.snr_db, generator, x.device)
        few, many = self.voices
        pool = self._draw(max(count, many) if many > 1 else count, length, generator)
        noise = pool.to(x.device, speech.dtype)
        if many > 1:
            chosen = torch.rand(count, len(pool), generator=generator).argsort(1)[:, :many]
            voices = torch.randint(few, many + 1, (count, 1), generator=generator)
            noise = add_up(noise, noise.square().mean(1), chosen, voices)
        return mix(speech, noise, valid, ratio), {"snr_db": ratio}

    def _draw(self, count: int, length: int, generator: Generator | None) -> Tensor:
        if self.folder is not None and self.clips is None:
            assert self.sample_rate is not None
            self.clips = Clips.read(self.folder, self.sample_rate, seconds=_SECONDS)
        if self.clips is None:
            return torch.randn(count, length, generator=generator)
        return self.clips.draw(count, length, generator)
