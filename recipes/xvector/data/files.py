"""Audio files of a folder or an archive, and their headers."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from sennit.data.media_suffixes import SUFFIXES
from sennit.disk_faults import make_folder
from sennit.encoders.features import sound_length
from sennit.recipes.media_files import MediaFiles, left_out_note
from sennit.recipes.xvector.data.corpus import Corpus, Entry

_THREADS = 8


def audio_below(folder: Path) -> MediaFiles:
    """Return the audio files below a folder, and how many others there are.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there should be a folder at '{folder}'. Found none. Is the path right?")
    return MediaFiles.below(folder, ("audio",))


def table_of(rows: Sequence[Entry], where: Path, expected: str, files: MediaFiles | None = None) -> Corpus:
    """Return the corpus of these entries, with lengths and rates from the files' headers.

    Args:
        rows: Entries of the layout.
        where: Folder that was searched, for the error.
        expected: Description of the layout, for the error.
        files: Files of the folder, of which the corpus notes those that are no entry.

    Raises:
        FileNotFoundError: There is no entry.
        ValueError: A file occurs twice, cannot be read, or holds no sample.
    """
    note = "" if files is None else _note(files, len(rows))
    if not rows:
        raise FileNotFoundError(
            f"'{where}' should hold {expected} ({', '.join(SUFFIXES['audio'])}). Found none. Is this the "
            f"right layout, and the right folder? {note}".rstrip()
        )
    return replace(Corpus.of(rows, *_headers([row.path for row in rows])), note=note)


def _note(files: MediaFiles, entries: int) -> str:
    elsewhere = len(files.paths) - entries
    also = f"{elsewhere} recordings in other places than the layout's are left out. " if elsewhere else ""
    return f"{also}{left_out_note(files.left_out)}".rstrip()


def _headers(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    def read(path: Path) -> tuple[int, int] | str:
        try:
            return sound_length(path)
        except ValueError as error:
            return str(error)

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
    make_folder(temporary)
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
