"""Lossy codecs of telephones and files."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from sennit.data.augment._base import register_augment
from sennit.data.augment.waveform._base import WaveformAugmentation, take
from sennit.extras import require
from sennit.registry import check_names

# Container and encoding of libsndfile.
_FORMATS = {
    "mu_law": ("WAV", "ULAW"),
    "a_law": ("WAV", "ALAW"),
    "adpcm": ("WAV", "IMA_ADPCM"),
    "gsm": ("WAV", "GSM610"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "vorbis": ("OGG", "VORBIS"),
}


@register_augment("codec")
class Codec(WaveformAugmentation):
    """Encodes and decodes each recording by a lossy codec drawn from several, at a sample rate of its own.

    Telephones: ``"mu_law"`` and ``"a_law"`` (ITU-T G.711), ``"gsm"`` (full rate, GSM 06.10), ``"adpcm"``
    (IMA); files: ``"mp3"`` and ``"vorbis"``. Encoded one after the other on the CPU; a recording of two
    seconds takes under a millisecond with G.711, and about ten with MP3.
    Source: the codecs of libsndfile; as an augmentation of speakers, Ferras et al. 2016, "A Large-Scale
    Open-Source Acoustic Simulator for Speaker Recognition".

    Args:
        sample_rate: Sample rate of the recordings.
        codecs: Codecs from which each recording's is drawn with equal chances.
        rate: Sample rate of the encoded recordings, at most ``sample_rate``.

    Shape:
        x ``[B, T]``, mask ``[B, T]``; drawn ``codec [B]``, the position in ``codecs``.

    Units:
        ``sample_rate`` and ``rate`` in Hz; waveforms from -1 to 1, outside of which they are clipped.

    Raises:
        ValueError: ``codecs`` is empty or names an unknown one, or ``rate`` is not in its range.
        ImportError: soundfile or torchaudio is not installed.

    Example:
        >>> call = Codec(16000, codecs=("mu_law",), rate=8000)(torch.randn(2, 1600).clamp(-1, 1))
        >>> call.x.shape, call.drawn["codec"].tolist()
        (torch.Size([2, 1600]), [0, 0])
    """

    def __init__(
        self, sample_rate: int, *, codecs: Sequence[str] = ("mu_law", "adpcm", "gsm"), rate: int = 8000
    ) -> None:
        super().__init__()
        check_names("codec", codecs, _FORMATS)
        if not codecs:
            raise ValueError("`codecs` should name one or more. Found none.")
        if not 0 < rate <= sample_rate:
            raise ValueError(f"`rate` should be above 0 and at most {sample_rate}. Found {rate}.")
        self.sample_rate, self.codecs, self.rate = sample_rate, tuple(codecs), rate

    def change(
        self, x: Tensor, mask: Tensor | None, rows: Tensor, generator: Generator | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        resample = require("torchaudio", "audio").functional.resample
        wave, _ = take(x, mask, rows)
        drawn = torch.randint(len(self.codecs), (len(rows),), generator=generator)
        sent = resample(wave, self.sample_rate, self.rate)
        heard = np.zeros(sent.shape, np.float32)
        for i, (one, codec) in enumerate(zip(sent.float().cpu().numpy(), drawn.tolist(), strict=True)):
            heard[i] = _through(one, self.rate, self.codecs[codec])
        out = resample(torch.from_numpy(heard).to(x), self.rate, self.sample_rate)[:, : x.shape[1]]
        return out, {"codec": drawn.to(x.device, non_blocking=True)}


def _through(wave: NDArray[np.float32], rate: int, codec: str) -> NDArray[np.float32]:
    """Return a waveform ``[T]`` after encoding and decoding; codecs of whole blocks are cut, or padded."""
    soundfile = require("soundfile", "audio")
    container, encoding = _FORMATS[codec]
    file = io.BytesIO()
    soundfile.write(file, wave.clip(-1, 1), rate, format=container, subtype=encoding)
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0][: len(wave)]
    return np.pad(decoded, (0, len(wave) - len(decoded)))
