"""Files of images, sound and series: their kinds, a check of the header, and reading."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sennit.encoders.features import load_waveform
from sennit.encoders.layers.raw_images import read_image
from sennit.extras import require

File = str | BinaryIO
UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, SyntaxError, EOFError)
"""Errors that libraries raise for a damaged file; the ImportError of a missing library is not among them."""
_SUFFIXES = {
    "image": {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"},
    "audio": {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"},
    "series": {".npy", ".csv"},
}


def file_kind(name: str) -> str | None:
    """Return ``"image"``, ``"audio"`` or ``"series"`` by a file name's ending, or None.

    Example:
        >>> file_kind("cats/1.JPG"), file_kind("notes.txt")
        ('image', None)
    """
    suffix = Path(name).suffix.lower()
    return next((kind for kind, suffixes in _SUFFIXES.items() if suffix in suffixes), None)


def open_image(file: File) -> Any:
    """Return a path as it is (the encoder reads it), and contents as a PIL image."""
    return file if isinstance(file, str) else require("PIL.Image", "image").open(file)


def check_image(path: str, channels: int, *, decode: bool) -> None:
    """Refuse a file that is not an image, by its header or by decoding it as the encoder will."""
    _check_size(path)
    pillow = require("PIL.Image", "image")
    try:
        with pillow.open(path):
            pass
    except pillow.DecompressionBombError as error:
        raise ValueError(f"{error}.") from None
    if decode:
        read_image(path, channels)


def open_sound(file: File) -> Any:
    """Return a path as it is (the encoder reads it), and contents as a waveform and its rate."""
    if isinstance(file, str):
        return file
    return require("soundfile", "audio").read(file, dtype="float32")


def check_sound(path: str, sample_rate: int, *, decode: bool) -> tuple[float, int]:
    """Refuse a file that is not sound or holds no samples; return its seconds and its rate in Hz."""
    _check_size(path)
    info = require("soundfile", "audio").info(path)
    if info.frames == 0:
        raise ValueError("it holds no samples.")
    if decode:
        load_waveform(path, sample_rate)
    return info.frames / info.samplerate, int(info.samplerate)


def read_series(file: File, channels: int | None) -> Any:
    """Return a series as floats ``[time, channels]``; a line of names above a ``.csv`` is skipped.

    Raises:
        ValueError: It has no steps, another shape or number of channels, or a value that is not finite.
    """
    _check_size(file)
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


def _check_size(file: str | BinaryIO) -> None:
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
