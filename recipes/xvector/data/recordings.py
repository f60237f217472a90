"""The recordings of a corpus, read in parts from files or from memory."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sennit.encoders.features import load_waveform
from sennit.recipes.xvector.data.corpus import Corpus, Numbers


class Recordings(Protocol):
    """Recordings that chunks and segments are cut from.

    Attributes:
        corpus: Corpus of the recordings.
        sample_rate: Sample rate of the waveforms that `read` returns, in Hz.
        frames: Number of samples of each recording, at its rate in `rates`.
        rates: Sample rate of each recording, in Hz.
    """

    corpus: Corpus
    sample_rate: int
    frames: Numbers
    rates: Numbers

    def read(self, row: int, start: int, count: int) -> Tensor:
        """Return ``count`` samples from ``start`` on, both at the recording's rate, as a waveform ``[T]``."""
        ...


class InFiles:
    """Recordings that stay in their files; only the requested part is decoded, after seeking.

    Args:
        corpus: Corpus of the recordings.
        sample_rate: Sample rate of the waveforms, in Hz; recordings of other rates are resampled.
    """

    def __init__(self, corpus: Corpus, sample_rate: int) -> None:
        self.corpus, self.sample_rate = corpus, sample_rate
        self.frames, self.rates = corpus.frames, corpus.rates

    def read(self, row: int, start: int, count: int) -> Tensor:
        rate = int(self.rates[row])
        x = load_waveform(
            self.corpus.paths[row], self.sample_rate, start_s=start / rate, duration_s=count / rate
        )
        return x[: max(1, round(count * self.sample_rate / rate))]


class InMemory:
    """Recordings decoded once and kept in memory with 16 bits (an hour at 16 kHz takes 115 MB).

    Args:
        corpus: Corpus of the recordings.
        sample_rate: Sample rate of the waveforms, in Hz; recordings of other rates are resampled.

    Raises:
        ValueError: A file cannot be read, or is truncated.
    """

    def __init__(self, corpus: Corpus, sample_rate: int) -> None:
        self.corpus, self.sample_rate = corpus, sample_rate
        waves = [_int16(load_waveform(path, sample_rate)) for path in corpus.paths]
        self.frames = np.array([len(x) for x in waves], dtype=np.int64)
        self.rates = np.full_like(self.frames, sample_rate)
        self._starts = np.cumsum(self.frames) - self.frames
        self._samples = torch.cat(waves)

    def read(self, row: int, start: int, count: int) -> Tensor:
        first = int(self._starts[row]) + start
        return self._samples[first : first + count].float() / 32768


def _int16(x: Tensor) -> Tensor:
    return (x * 32768).round().clamp(-32768, 32767).to(torch.int16)
