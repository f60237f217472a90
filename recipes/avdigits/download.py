"""A download that leaves a complete, verified file, or none."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from sennit.disk_faults import make_folder

_TIMEOUT_S = 60


def receive(url: str, path: Path, *, digest: Callable[[Path], str], expected: str) -> None:
    """Download a file, verify its digest, and only then give it its name.

    Args:
        url: Address of the file.
        path: Path of the downloaded file.
        digest: Function from a file to its digest.
        expected: Digest of the published file.

    Raises:
        OSError: The file cannot be downloaded; the message says where to put it.
        ValueError: The file differs from the published one.
    """
    make_folder(path.parent)
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
        received = digest(temporary)
        if received != expected:
            raise ValueError(
                f"the file from '{url}' should have the digest {expected}. Found {received}. It "
                f"was not kept: try again, or put the published file at '{path}'."
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
