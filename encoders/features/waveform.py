"""Loading of one recording, or of a part of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sennit.encoders.features.sound_file import SoundFile, open_sound
from sennit.extras import require

_LOUDEST = 16.0  # of floats, which may exceed full scale after mixing
_FEWEST = 100  # times that a recording is stretched at most


def load_waveform(
    raw: Any, sample_rate: int, *, start_s: float = 0.0, duration_s: float | None = None
) -> Tensor:
    """Load a recording as one channel of floats at a given rate.

    Args:
        raw: Waveform (array or tensor ``[T]``, at ``sample_rate`` already), pair of a waveform and
            its rate, or an audio file (its path or contents). Integers are scaled to -1 to 1; several
            channels, last, are averaged.
        sample_rate: Sample rate in Hz.
        start_s: Beginning of the part; a file is decoded from there on.
        duration_s: Length of the part; to the end when None.

    Shape:
        result ``[T]``.

    Units:
        ``sample_rate`` in Hz, ``start_s`` and ``duration_s`` in seconds.

    Raises:
        ValueError: The waveform has neither one axis nor channels last, has no sample, is not finite or far
            beyond -1 to 1; its channels cancel each other out; its rate is far below the other; the file
            cannot be read; or the part is not within the recording.
        FileNotFoundError: The file does not exist.
        ImportError: A path without soundfile, or another rate without torchaudio.

    Example:
        >>> load_waveform([0.0, 0.5], 8000)
        tensor([0.0000, 0.5000])
        >>> load_waveform(torch.arange(8) / 8, 4, start_s=0.5, duration_s=0.5)
        tensor([0.2500, 0.3750])
    """
    if isinstance(raw, (str, Path, bytes)):
        of = "" if isinstance(raw, bytes) else f" of '{raw}'"
        x, rate = _read(raw, start_s, duration_s, of)
    else:
        of = ""
        raw, rate = raw if isinstance(raw, tuple) and len(raw) == 2 else (raw, sample_rate)
        x = _one_channel(torch.as_tensor(raw), of)
        x = x[_part(len(x), rate, start_s, duration_s, of)]
    if not len(x):
        raise ValueError(f"a waveform should have samples. Found none{of}. Leave it out.")
    bad = int((~x.isfinite()).sum())
    if bad:
        raise ValueError(
            f"a waveform should be finite. Found NaN or infinity in {bad} samples{of}. Repair it."
        )
    loudest = float(x.abs().max())
    if loudest > _LOUDEST:
        raise ValueError(
            f"a waveform of floats should be from -1 to 1. Found {loudest:g}{of}. Are these integers as "
            f"floats? Divide them by their full scale, such as 32768."
        )
    if not sample_rate / _FEWEST <= rate:
        raise ValueError(
            f"a recording for {sample_rate} Hz should have {math.ceil(sample_rate / _FEWEST)} Hz or more. "
            f"Found {rate} Hz{of}. Is its rate right? Data of a sensor are a series (`kind: series`)."
        )
    if rate != sample_rate:
        x = require("torchaudio", "audio").functional.resample(x, int(rate), sample_rate)
    return x


def _one_channel(x: Tensor, of: str) -> Tensor:
    if not x.is_floating_point():
        if x.dtype == torch.bool:
            raise ValueError("a waveform should hold floats or integers. Found torch.bool.")
        span = torch.iinfo(x.dtype)
        half = (span.max + 1) / (1 if span.min else 2)
        x = x.float() / half - (0 if span.min else 1)  # silence is in the middle of unsigned integers
    if x.dim() == 2 and x.shape[1] < x.shape[0]:
        x = _mixed(x.float(), of)
    if x.dim() != 1:
        raise ValueError(
            f"a waveform should have shape [time] or [time, channels]. Found {(*x.shape,)}. "
            f"Are channels first? Try `x.T`."
        )
    return x.float()


def _mixed(channels: Tensor, of: str) -> Tensor:
    """Return the mean of channels, unless they cancel each other out."""
    x = channels.mean(1)
    if len(x) and float(x.abs().max()) < 1e-3 * float(channels.abs().max()):
        raise ValueError(
            f"channels should not cancel each other out. Found silence in the mean of "
            f"{channels.shape[1]}{of}: one is the other upside down. Give one channel of them."
        )
    return x


def _read(file: SoundFile, start_s: float, duration_s: float | None, of: str) -> tuple[Tensor, int]:
    """Return the part of a file as one channel, and its rate; nothing before the part is decoded."""
    with open_sound(file) as sound:
        rate = int(sound.samplerate)
        part = _part(sound.frames, rate, start_s, duration_s, of)
        if part.start and sound.seekable():
            sound.seek(part.start)
        elif part.start:  # some codecs of telephony
            sound.read(part.start, dtype="float32")
        x = sound.read(part.stop - part.start, dtype="float32", always_2d=True)
    if len(x) < part.stop - part.start:
        raise ValueError(
            f"a recording should hold {part.stop - part.start} samples from {start_s:g} s on. Found {len(x)}"
            f"{of}. Was the file cut? Fetch it again."
        )
    return _mixed(torch.from_numpy(x), of), rate


def _part(length: int, rate: float, start_s: float, duration_s: float | None, of: str) -> slice:
    start = round(start_s * rate)
    stop = length if duration_s is None else start + round(duration_s * rate)
    if not 0 <= start <= stop <= length:
        raise ValueError(
            f"`start_s` and `duration_s` should lie within the {length / rate:g} s{of}. Found {start_s:g} s "
            f"and {'the rest' if duration_s is None else f'{duration_s:g} s'}. Are they in seconds?"
        )
    return slice(start, stop)
