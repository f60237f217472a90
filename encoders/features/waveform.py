"""Reading one recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoders._extras import require


def load_waveform(raw: Any, sample_rate: int) -> Tensor:
    """A recording as one channel of floats at the wanted rate.

    Args:
        raw: A waveform (array or tensor ``[T]``, at ``sample_rate`` already), a pair of a waveform
            and its own rate, or the path of an audio file. Integers are scaled to -1 to 1; several
            channels, last, are averaged.
        sample_rate: In Hz.

    Shape:
        Result ``[T]``.

    Raises:
        ValueError: The waveform has neither one axis nor channels last.
        ImportError: A path without soundfile, or another rate without torchaudio.

    Example:
        >>> load_waveform([0.0, 0.5], 8000)
        tensor([0.0000, 0.5000])
    """
    rate = sample_rate
    if isinstance(raw, (str, Path)):
        raw, rate = require("soundfile", "audio").read(raw, dtype="float32")
    elif isinstance(raw, tuple) and len(raw) == 2:
        raw, rate = raw
    x = torch.as_tensor(raw)
    if not x.is_floating_point():
        x = x.float() / -torch.iinfo(x.dtype).min
    if x.dim() == 2 and x.shape[1] < x.shape[0]:
        x = x.mean(1)
    if x.dim() != 1:
        raise ValueError(
            f"a waveform should have shape [time] or [time, channels]. Found {(*x.shape,)}. "
            f"Are channels first? Try `x.T`."
        )
    x = x.float()
    if rate != sample_rate:
        x = require("torchaudio", "audio").functional.resample(x, int(rate), sample_rate)
    return x
