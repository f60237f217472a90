"""Files of images, sound and series: a look at the header, and reading."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sennit.encoders.features import load_waveform
from sennit.encoders.layers.raw_images import read_image

from sennit.extras import require

File = str | BinaryIO | None
UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, SyntaxError, EOFError)
"""What libraries raise of a damaged file; a missing library's ImportError is none of them."""


def open_image(file: File) -> Any:
    """A path as it is (the encoder reads it); contents as a PIL image."""
    return file if file is None or isinstance(file, str) else require("PIL.Image", "image").open(file)


def check_image(path: str | None, channels: int, *, decode: bool) -> None:
    """Refuse what is no image: by its header, or as the encoder will read it."""
    if path is None:
        return
    _look(path)
    pillow = require("PIL.Image", "image")
    try:
        with pillow.open(path):
            pass
    except pillow.DecompressionBombError as error:
        raise ValueError(f"{error}.") from None
    if decode:
        read_image(path, channels)


def open_sound(file: File) -> Any:
    """A path as it is (the encoder reads it); contents as a waveform and its rate."""
    if file is None or isinstance(file, str):
        return file
    return require("soundfile", "audio").read(file, dtype="float32")


def check_sound(path: str | None, sample_rate: int, *, decode: bool) -> tuple[float, int] | None:
    """Refuse what is no sound, or holds no samples; the seconds and the rate in Hz of what is."""
    if path is None:
        return None
    _look(path)
    info = require("soundfile", "audio").info(path)
    if info.frames == 0:
        raise ValueError("it holds no samples.")
    if decode:
        load_waveform(path, sample_rate)
    return info.frames / info.samplerate, int(info.samplerate)


def read_series(file: File, channels: int | None) -> Any:
    """A series as floats ``[time, channels]``; a single line of names above a ``.csv`` is passed over.

    Raises:
        ValueError: No steps, another shape, another number of channels, or a value that is not finite.
    """
    if file is None:
        return None
    _look(file)
    raw = Path(file).read_bytes() if isinstance(file, str) else file.read()
    if raw[:6] == b"\x93NUMPY":
        x = np.load(BytesIO(raw), allow_pickle=False)
    else:
        lines = raw.decode("utf-8-sig").splitlines()
        x = _numbers(lines) if not _is_header(lines) else _numbers(lines[1:])
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or len(x) == 0 or (channels is not None and x.shape[1] != channels):
        raise ValueError(f"it should have shape [time, {channels or 'channels'}]. Found {x.shape}.")
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        step, channel = np.argwhere(~np.isfinite(x))[0]
        raise ValueError(f"it should hold finite numbers. Found {x[step, channel]} at step {step}.")
    return x


def _numbers(lines: list[str]) -> Any:
    return np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.empty((0, 1))


def _is_header(lines: list[str]) -> bool:
    try:
        [float(cell) for line in lines[:1] for cell in line.split(",")]
    except ValueError:
        return True
    return False


def _look(file: str | BinaryIO) -> None:
    """Refuse a path without a file, and an empty file."""
    if isinstance(file, str):
        if not Path(file).is_file():
            raise FileNotFoundError(f"there is no file '{file}'. Paths are relative to the table's folder.")
        size = Path(file).stat().st_size
    else:
        size = file.seek(0, 2)
        file.seek(0)
    if size == 0:
        raise ValueError("the file is empty.")
