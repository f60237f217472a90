"""Audio files of a folder or an archive, and their headers."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sennit.extras import require
from sennit.recipes.xvector.data.corpus import Corpus, Entry

SUFFIXES = (".wav", ".flac", ".ogg")
_THREADS = 8


def audio_below(folder: Path) -> list[Path]:
    """Return the audio files below a folder, sorted by name, without hidden ones.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there should be a folder at '{folder}'. Found none. Is the path right?")
    paths = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    return sorted(p for p in paths if p.is_file())


def table_of(rows: Sequence[Entry], where: Path, expected: str) -> Corpus:
    """Return the corpus of these entries, with lengths and rates from the files' headers.

    Args:
        rows: Entries of the layout.
        where: Folder that was searched, for the error.
        expected: Description of the layout, for the error.

    Raises:
        FileNotFoundError: There is no entry.
        ValueError: A file occurs twice, cannot be read, or holds no sample.
    """
    if not rows:
        raise FileNotFoundError(
            f"'{where}' should hold {expected} ({', '.join(SUFFIXES)}). Found none. Is this the right "
            f"layout, and the right folder?"
        )
    return Corpus.of(rows, *_headers([row.path for row in rows]))


def _headers(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    soundfile: Any = require("soundfile", "audio")

    def read(path: Path) -> tuple[int, int] | str:
        try:
            info = soundfile.info(str(path))
        except soundfile.LibsndfileError as error:
            return str(error.error_string)
        return (info.frames, info.samplerate) if info.frames else "It holds no sample."

    with ThreadPoolExecutor(_THREADS) as threads:
        headers = list(threads.map(read, paths))
    bad = [f"'{p}' ({why})" for p, why in zip(paths, headers, strict=True) if isinstance(why, str)]
    if bad:
        raise ValueError(
            f"every recording should be an audio file that libsndfile reads. Found {len(bad)} of "
            f"{len(paths)} that are not: {', '.join(bad[:3])}{', …' if len(bad) > 3 else ''}. Remove them, "
            f"or fetch them again."
        )
    frames, rates = zip(*headers, strict=True)
    return np.array(frames, dtype=np.int64), np.array(rates, dtype=np.int64)


def unpacked(path: Path, cache: Path | None) -> Path:
    """Return the folder of a corpus; an archive is first unpacked into the cache, once and atomically.

    Args:
        path: Folder, or ``.tar``, ``.tar.gz`` or ``.tgz``.
        cache: Folder that archives are unpacked to.

    Raises:
        FileNotFoundError: There is nothing at the path.
        ValueError: The archive is damaged, or would write outside its folder; or there is no cache for it.
    """
    if not path.exists():
        raise FileNotFoundError(f"there should be a corpus at '{path}'. Found nothing. Is the path right?")
    if path.is_dir():
        return path
    if cache is None:
        raise ValueError(f"`cache` should name the folder in which to unpack '{path}'. Found None.")
    status = path.stat()
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    target = cache / f"{path.name.partition('.')[0]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    temporary = cache / f".{target.name}.{os.getpid()}"
    temporary.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(path) as archive:
            archive.extractall(temporary, filter="data")
        _rename(temporary, target)
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(
            f"'{path}' should be a whole tar archive of a corpus. It cannot be unpacked ({error}). Fetch it "
            f"again."
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _rename(temporary: Path, target: Path) -> None:
    try:
        os.rename(temporary, target)
    except OSError:
        if not target.is_dir():  # otherwise another process was faster
            raise
