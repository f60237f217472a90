"""Files that are written whole or not at all, and hashes of their contents."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from sennit.disk_faults import make_folder, writing


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; its folder is made.

    Raises:
        OSError: The file cannot be written; the previous one is kept.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    make_folder(path.parent)
    with writing(path):
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):  # of the same fault
                temporary.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a text file in UTF-8, plain or compressed as ``.gz``, for the module `csv`.

    Raises:
        ValueError: The file is no such text, or cut short; also while it is read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> write_text(path, "x,y")
        >>> with open_text(path) as file:
        ...     file.read()
        'x,y'
    """
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        why = f"byte {error.object[error.start]:#04x} is none of UTF-8. Save it as UTF-8 text"
    except csv.Error:
        why = "a cell is longer than 131,072 characters. Is a quote not closed"
    except (gzip.BadGzipFile, EOFError, zlib.error):
        why = "it is cut short, or not compressed by gzip. Restore it from a copy"
    else:
        return
    raise ValueError(f"'{path}' cannot be read as text: {why}.")


def read_json(path: Path) -> Any:
    """Return the value in a JSON file.

    Raises:
        ValueError: The file is no JSON; the place is named.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.json"
        >>> write_json(path, {"a": 1})
        >>> read_json(path)
        {'a': 1}
    """
    return parse_json(path.read_bytes(), f"'{path}'")


def parse_json(text: bytes, name: str) -> Any:
    """Return the value of a JSON text.

    Args:
        text: Text in UTF-8.
        name: Phrase for the text, for messages.

    Raises:
        ValueError: The text is no JSON; the place is named.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
    except RecursionError:
        place = "brackets in brackets without an end"
    raise ValueError(f"{name} is not valid JSON: {place}. Is it truncated? Restore it from a copy.")


def read_json_object(path: Path, keys: Iterable[str] = ()) -> dict[str, Any]:
    """Return the object in a JSON file.

    Args:
        path: File.
        keys: Keys that it should have.

    Raises:
        ValueError: The file is no JSON, no object, or lacks a key.
    """
    value = json_object(read_json(path), f"'{path}'")
    for key in keys:
        if key not in value:
            raise ValueError(f"'{path}' should have the key '{key}'. Found {sorted(value)}.")
    return value


def json_object(value: Any, name: str) -> dict[str, Any]:
    """Return a JSON value that should be an object.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{name} should hold a JSON object. Found {type(value).__name__}.")
    return value


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Keep other processes of this machine from working on the same file, until this one ends.

    Raises:
        ValueError: Another process is at work on it.
    """
    if sys.platform == "win32":  # which has no such locks
        yield
        return
    import fcntl

    with path.with_name(f".{path.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"one process at a time should work on '{path}'. Found another one at work. Wait for its "
                f"end, or write to another folder (--output)."
            ) from None
        yield


def digest(paths: Iterable[Path]) -> str:
    """Return a hash of the contents of files and of folders with all that is in them.

    A missing file counts as such. The places of files do not count, the names within a folder do.

    Example:
        >>> import tempfile
        >>> one, other = (Path(tempfile.mkdtemp()) / "rows.csv" for _ in range(2))
        >>> one.write_text("1"), other.write_text("1")
        (1, 1)
        >>> digest([one]) == digest([other.parent / "rows.csv"])
        True
        >>> other.write_text("2")
        1
        >>> digest([one]) == digest([other])
        False
    """
    whole = hashlib.sha256()
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in inside:
            content = sha256(file) if file.is_file() else None
            name = file.relative_to(path).as_posix()
            whole.update(f"{json.dumps([name, content])}\n".encode())
    return whole.hexdigest()[:12]


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's contents, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
