"""Files of images, sound and series: their kinds, a look at the header, and reading."""

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


def list_folder(folder: Path) -> dict[str, list[str]]:
    """Return the columns ``file`` (relative to the folder) and ``class`` of the files in each sub-folder.

    Raises:
        ValueError: There are no sub-folders, one without files, or files of several kinds.
    """
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise ValueError(
            f"'{folder}' should hold one folder for each class. Found none. Give a .csv or .parquet "
            f"file, or put the files of each class into a folder."
        )
    columns: dict[str, list[str]] = {"file": [], "class": []}
    first: dict[str, str] = {}
    for subfolder in classes:
        paths = sorted(p for p in subfolder.rglob("*") if file_kind(p.name) in ("image", "audio"))
        if not paths:
            raise ValueError(
                f"'{subfolder}' should hold images or sound files. Found none. Remove the folder."
            )
        for path in paths:
            name = path.relative_to(folder).as_posix()
            first.setdefault(file_kind(name) or "", name)
            columns["file"].append(name)
            columns["class"].append(subfolder.name)
    if len(first) > 1:
        raise ValueError(
            f"'{folder}' should hold files of one kind. Found {' and '.join(sorted(first))} "
            f"({', '.join(repr(n) for n in first.values())}). For several kinds give a .csv file."
        )
    return columns


def open_image(file: File) -> Any:
    """Return a path as it is (the encoder reads it), and contents as a PIL image."""
    return file if file is None or isinstance(file, str) else require("PIL.Image", "image").open(file)


def check_image(path: str | None, channels: int, *, decode: bool) -> None:
    """Refuse a file that is not an image, by its header or by decoding it as the encoder will."""
    if path is None:
        return
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
    if file is None or isinstance(file, str):
        return file
    return require("soundfile", "audio").read(file, dtype="float32")


def check_sound(path: str | None, sample_rate: int, *, decode: bool) -> tuple[float, int] | None:
    """Refuse a file that is not sound or holds no samples; return its seconds and its rate in Hz."""
    if path is None:
        return None
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
    if file is None:
        return None
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
