"""A download that is whole, and what was published, or not there at all."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

_TIMEOUT_S = 60


def receive(url: str, path: Path, *, digest: Callable[[Path], str], expected: str) -> None:
    """Download a file, compare its digest, and only then give it its name.

    Args:
        url: Where it is published.
        path: Where to put it.
        digest: Of a file.
        expected: What the digest should be.

    Raises:
        OSError: It cannot be downloaded; says which file is wanted, and where.
        ValueError: It is not what was published.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as source, temporary.open("wb") as file:
                shutil.copyfileobj(source, file)
        except (OSError, urllib.error.URLError) as error:
            raise OSError(
                f"'{path}' is missing, and '{url}' cannot be downloaded ({error}). Fetch it on a "
                f"machine with a network and put it there, or name another folder with `--data`."
            ) from error
        found = digest(temporary)
        if found != expected:
            raise ValueError(
                f"what '{url}' sent should have the digest {expected}. Found {found}. It was not kept: try "
                f"again, or put the published file at '{path}'."
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
