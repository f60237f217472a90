"""Faults of the system on files, in words with the fix."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FAULTS = {
    errno.ENOSPC: "the disk is full. Free some of it, or write to another place",
    errno.EROFS: "nothing can be written to its disk. Write to another place",
    errno.EACCES: "you have no permission. Ask for it, or choose another place",
    errno.ENOENT: "there is no such file or folder. Make its folder first",
    errno.ENOTDIR: "a part of its path is a file and no folder. Choose another place",
    errno.EEXIST: "something else has this name. Choose another place",
    errno.EISDIR: "it is a folder. Name a file",
    errno.ENAMETOOLONG: "its name is too long. Choose another one",
    errno.EMFILE: "too many files are open. Raise the limit (`ulimit -n`), or use fewer workers",
}
_FAULTS |= {errno.EDQUOT: _FAULTS[errno.ENOSPC], errno.EFBIG: _FAULTS[errno.ENOSPC]}
_FAULTS |= {errno.EPERM: _FAULTS[errno.EACCES]}


def disk_fault(error: BaseException) -> str:
    """Return why the system refuses a file, and the fix, as a sentence without its first word's capital.

    Args:
        error: Error of the system, or one that a library raised for it.

    Example:
        >>> disk_fault(OSError(errno.ENOSPC, "No space left on device"))
        'the disk is full. Free some of it, or write to another place.'
    """
    cause: BaseException | None = error
    while cause is not None and getattr(cause, "errno", None) is None:
        cause = cause.__cause__ or cause.__context__
    in_rust = re.search(r"\(os error (\d+)\)", str(error))
    code = int(in_rust[1]) if in_rust else int(getattr(cause, "errno", None) or 0)
    return f"{_FAULTS.get(code, str(getattr(cause, 'strerror', None) or error))}."


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn errors of the system into one that says what cannot be written, why, and the fix.

    Args:
        path: File or folder that is written.

    Raises:
        OSError: It cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OSError(f"cannot write '{path}': {disk_fault(error)}") from error


def make_folder(path: Path) -> Path:
    """Make a folder, and those that it lies in, where there is none; return it.

    Raises:
        OSError: It cannot be made; the reason is given.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
    return path
