"""Files of images, sound and series: a check of the header, and reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from sennit.data.missing_words import MISSING_WORDS
from sennit.encoders.features import load_waveform, sound_length
from sennit.encoders.layers import raw_images
from sennit.encoders.layers.raw_images import read_image
from sennit.recipes.table.reading.delimited import number_of, read_lines
from sennit.recipes.table.reading.paths import missing_file
from sennit.registry import check_names

File = str | bytes
"""A path, or the contents of a file."""
UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, SyntaxError, EOFError)
"""Errors that libraries raise for a damaged file; the ImportError of a missing library is not among them."""


def check_image(file: File, channels: int, *, decode: bool) -> None:
    """Refuse a file that is not an image, by its header or by decoding it as the encoder will."""
    _check_size(file)
    if decode:
        read_image(file, channels)
    else:
        raw_images.check_image(file)


def check_sound(file: File, sample_rate: int, *, decode: bool) -> tuple[float, int]:
    """Refuse a file that is not sound or holds no samples; return its seconds and its rate in Hz."""
    _check_size(file)
    frames, rate = sound_length(file)
    if decode:
        load_waveform(file, sample_rate)
    return frames / rate, rate


def contents_kind(contents: bytes) -> str | None:
    """Return ``"image"`` or ``"audio"`` for the contents of a file that can be read; None for others."""
    for kind, check in (("image", raw_images.check_image), ("audio", sound_length)):
        try:
            check(contents)
        except ValueError:
            continue
        return kind
    return None


_DAMAGED_ARRAY = (
    ValueError,
    TypeError,
    OSError,
    EOFError,
    OverflowError,
    MemoryError,
    SyntaxError,
    TokenError,
)
"""Errors of `numpy.load`, whose header is Python."""


@dataclass(frozen=True)
class Series:
    """A series as it is read.

    Attributes:
        x: Finite floats ``[time, channels]``.
        filled: Number of missing values that the value before them fills.
    """

    x: Any
    filled: int = 0


def read_series(
    file: File, channels: int | None, *, columns: Sequence[str] = (), gaps: str = "fill"
) -> Series:
    """Read a series; a line of names above a ``.csv`` is skipped.

    Args:
        file: File of ``.npy`` or ``.csv``: its path or contents.
        channels: Number of channels; None takes any.
        columns: Names of the columns of a ``.csv`` to read; all by default.
        gaps: ``"fill"`` to fill a missing value with the one before, or the first; ``"refuse"`` to refuse it;
            ``"mask"`` to leave it NaN.

    Raises:
        ValueError: It has no steps, another shape or number of channels, a value that is no number or is
            infinite, or a channel without any value.
    """
    _check_size(file)
    raw = file if isinstance(file, bytes) else Path(file).read_bytes()
    if raw[:6] == b"\x93NUMPY":
        x = _array(raw)
    elif raw[:4] == b"PK\x03\x04":
        raise ValueError("it should hold one array. Found an archive of several. Save one with numpy.save.")
    else:
        x = _table(raw, columns)
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim != 2 or len(x) == 0 or (channels is not None and x.shape[1] != channels):
        raise ValueError(f"it should have shape [time, {channels or 'channels'}]. Found {x.shape}.")
    x = x.astype(np.float32)
    missing = np.isnan(x)
    bad = np.isinf(x) | (missing & ((missing.all(0) & (gaps != "mask")) | (gaps == "refuse")))
    if bad.any():
        step, channel = np.argwhere(bad)[0]
        fix = "A channel without any value cannot be filled." if missing[:, channel].all() else ""
        fix = "Fill gaps with `gaps: fill`." if missing[step, channel] and not fix else fix
        raise ValueError(
            f"it should hold finite numbers. Found {x[step, channel]} at step {step}, channel {channel}. "
            f"{fix}".rstrip()
        )
    return Series(x if gaps == "mask" else _filled(x, missing), int(missing.sum()))


def _filled(x: Any, missing: Any) -> Any:
    """Return values with each missing one replaced by the last before it, or by the channel's first."""
    last = np.where(missing, -1, np.arange(len(x))[:, None])
    last = np.maximum.accumulate(last, 0)
    first = (~missing).argmax(0)
    return np.take_along_axis(x, np.where(last < 0, first, last), 0)


def _array(raw: bytes) -> Any:
    try:
        return np.load(BytesIO(raw), allow_pickle=False).astype(np.float32)
    except _DAMAGED_ARRAY:
        raise ValueError(
            "it should hold an array of numbers. Found objects, or a file that is cut. Save "
            "`x.astype('float32')` with numpy.save; nan stands for a gap."
        ) from None


def _table(raw: bytes, names: Sequence[str]) -> Any:
    lines = read_lines(raw)
    for i in range(len(lines.cells)):
        if problem := lines.fault(i):
            raise ValueError(f"its line {lines.numbers[i]} {problem}")
    commas = lines.separator == ";" and any("," in cell for line in lines.cells[1:] for cell in line)
    rows = [[_number(cell, commas) for cell in line] for line in lines.cells]
    header = [cell.strip() for cell in lines.cells[0]] if None in rows[0] else []
    for name in names:
        check_names("column of the series", [name], header)
    chosen = [k for k in range(lines.width) if not names or header[k] in names]
    for i, row in enumerate(rows[bool(header) :], bool(header)):
        for k in chosen:
            if row[k] is None:
                column = f"column '{header[k]}'" if header else f"column {k + 1}"
                raise ValueError(
                    f"its line {lines.numbers[i]}, {column} should hold a number. Found "
                    f"'{lines.cells[i][k].strip()}'. Name the columns to read with `columns: [...]`."
                )
    values = [[row[k] for k in chosen] for row in rows[bool(header) :]]
    return np.array(values, dtype=np.float64).reshape(len(values), len(chosen))


def _number(cell: str, commas: bool) -> float | None:
    """Return a cell as a number, NaN where it is blank or missing; None for other texts."""
    text = cell.strip()
    if not text or text in MISSING_WORDS:
        return np.nan
    try:
        return number_of(text, commas=commas)
    except ValueError:
        return None


def _check_size(file: File) -> None:
    """Refuse a path without a file, and an empty file."""
    if isinstance(file, str) and not Path(file).is_file():
        raise missing_file(file)
    if (len(file) if isinstance(file, bytes) else Path(file).stat().st_size) == 0:
        raise ValueError("the file is empty.")
