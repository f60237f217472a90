"""Arrays of a dataset that comes as one npz file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

_UNREADABLE = (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What numpy raises for a damaged archive."""


def find_arrays(data: Path | None, file: str) -> Path:
    """Return the path of an npz file; `read_arrays` says how it is named.

    Raises:
        FileNotFoundError: There is no such file.
    """
    path = Path("data") if data is None else data
    path = path / file if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(
            f"no file '{path}'. Name {file}, or the folder that holds it, with `--data`; it is not "
            f"downloaded."
        )
    return path


def read_arrays(data: Path | None, file: str, names: Sequence[str]) -> tuple[Path, dict[str, np.ndarray]]:
    """Read an npz file; return its path and all its arrays.

    Args:
        data: Value of ``--data``: the file, or the folder that holds it; None is the folder ``data``.
        file: Name of the file in a folder.
        names: Names of the arrays that it should hold.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or lacks an array.
    """
    path = find_arrays(data, file)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            arrays = dict(stored)
    except _UNREADABLE:
        raise ValueError(
            f"'{path}' cannot be read as npz. Is it truncated, or does it hold objects in place of numbers?"
        ) from None
    absent = [name for name in names if name not in arrays]
    if absent:
        raise ValueError(f"'{path}' should have the arrays {absent} too. Found {sorted(arrays)}.")
    return path, arrays
