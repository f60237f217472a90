"""Recordings held in memory, from which random parts are drawn without a loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor, nn

from sennit.data.media_suffixes import SUFFIXES
from sennit.extras import require


class Clips(nn.Module):
    """Noises, pieces of music, voices or room impulse responses, in 16 bits, each scaled to its peak.

    Args:
        waveforms: Waveforms at one rate, one or more.

    Shape:
        waveforms ``[T]`` each.

    Raises:
        ValueError: ``waveforms`` is empty, or one of them is silent or empty.

    Example:
        >>> clips = Clips([torch.ones(3), torch.ones(5)])
        >>> clips.draw(2, 4, None).shape, clips.draw_whole(2, 4, None).shape
        (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    samples: Tensor

    def __init__(self, waveforms: Sequence[Tensor]) -> None:
        super().__init__()
        if not waveforms:
            raise ValueError("`waveforms` should hold one or more. Found none.")
        for i, x in enumerate(waveforms):
            if x.dim() != 1 or not len(x) or not bool(x.isfinite().all()) or not bool(x.any()):
                raise ValueError(
                    f"`waveforms` should be finite, of shape [time], and not silent throughout. Found "
                    f"{(*x.shape,)} at position {i}. Leave it out."
                )
        scaled = [(x.float() * (32767 / x.abs().max())).round().to(torch.int16) for x in waveforms]
        self.register_buffer("samples", torch.cat(scaled), persistent=False)
        self.lengths = torch.tensor([len(x) for x in scaled])  # stays on the CPU, as random numbers do
        self.starts = self.lengths.cumsum(0) - self.lengths

    @classmethod
    def read(
        cls, folder: str | Path, sample_rate: int, *, seconds: float, beginning_s: float | None = None
    ) -> Clips:
        """Read recordings below a folder: an equal share of ``seconds`` from the middle of each.

        Args:
            folder: Folder of sound files at any depth; the first channel is read.
            sample_rate: Sample rate in Hz; recordings at another rate are resampled.
            seconds: Most seconds held in total. An hour at 16 kHz takes 115 MB.
            beginning_s: Length of the beginning that is read instead, of as many recordings as fit in
                ``seconds``, evenly spread over the sorted names; one at least.

        Raises:
            FileNotFoundError: There is no such folder, or no recording in it.
            ValueError: A file cannot be read.
            ImportError: soundfile, or torchaudio for another rate, is not installed.
        """
        below = (p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES["audio"])
        files = sorted(p for p in below if not p.name.startswith("."))
        if not files:
            raise FileNotFoundError(
                f"'{folder}' should hold recordings ({', '.join(SUFFIXES['audio'])}). Found none. Is the "
                f"path right?"
            )
        if beginning_s is not None:
            count = min(len(files), max(1, int(seconds / beginning_s)))
            files = [files[i * len(files) // count] for i in range(count)]
        share = seconds / len(files) if beginning_s is None else beginning_s
        parts = [_read(path, sample_rate, share, beginning_s is None) for path in files]
        return cls([x for x in parts if bool(x.any())])

    def draw(self, count: int, length: int, generator: Generator | None) -> Tensor:
        """Draw random parts of random clips; a clip that is too short is repeated.

        Shape:
            result ``[count, length]``.
        """
        which, lengths = self._choose(count, generator)
        offset = (torch.rand(count, generator=generator) * lengths).long()
        return self._gather(which, lengths, offset, length, repeat=True)

    def draw_whole(self, count: int, length: int, generator: Generator | None) -> Tensor:
        """Draw random clips from their beginning, cut or filled up with zeros.

        Shape:
            result ``[count, length]``.
        """
        which, lengths = self._choose(count, generator)
        return self._gather(which, lengths, torch.zeros_like(lengths), length, repeat=False)

    def _choose(self, count: int, generator: Generator | None) -> tuple[Tensor, Tensor]:
        which = torch.randint(len(self.lengths), (count,), generator=generator)
        return which, self.lengths[which]

    def _gather(self, which: Tensor, lengths: Tensor, offset: Tensor, length: int, *, repeat: bool) -> Tensor:
        device = self.samples.device
        start, size, first = (
            x.unsqueeze(1).to(device, non_blocking=True) for x in (self.starts[which], lengths, offset)
        )
        place = first + torch.arange(length, device=device)
        inside = place % size if repeat else place.minimum(size - 1)
        parts = self.samples[start + inside].float() / 32768
        return parts if repeat else parts.masked_fill(place >= size, 0)


def _read(path: Path, sample_rate: int, seconds: float, middle: bool) -> Tensor:
    soundfile: Any = require("soundfile", "audio")
    try:
        with soundfile.SoundFile(path) as file:
            count = min(file.frames, max(1, round(seconds * file.samplerate)))
            file.seek((file.frames - count) // 2 if middle else 0)
            x = torch.from_numpy(file.read(count, dtype="float32", always_2d=True)[:, 0].copy())
            rate = int(file.samplerate)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"'{path}' should be an audio file. libsndfile says: {error.error_string}") from None
    if rate != sample_rate:
        x = require("torchaudio", "audio").functional.resample(x, rate, sample_rate)
    return x
