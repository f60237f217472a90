"""Data that are read once, and again when a file has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, update_wrapper
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CachedByFiles(Generic[P, T]):
    """A function of files whose results are kept until a file changes.

    A file counts as changed with its size or its time, a folder with the names or the files in it.

    Args:
        read: Function; its arguments can be hashed.
        files: Function from its arguments to the files and folders that it reads.
        size: Number of results that are kept.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "words.txt"
        >>> read = CachedByFiles(Path.read_text, files=lambda path: [path], size=1)
        >>> path.write_text("one"), read(path), path.write_text("three"), read(path)
        (3, 'one', 5, 'three')
    """

    def __init__(self, read: Callable[P, T], *, files: Callable[P, Iterable[Path]], size: int) -> None:
        def stamped(stamps: tuple[Any, ...], /, *args: Any, **options: Any) -> T:
            return read(*args, **options)

        self._files = files
        self._kept: Any = lru_cache(maxsize=size)(stamped)
        self.cache_clear = self._kept.cache_clear
        update_wrapper(self, read)

    def __call__(self, *args: P.args, **options: P.kwargs) -> T:
        stamps = tuple(_stamp(path) for path in self._files(*args, **options))
        result: T = self._kept(stamps, *args, **options)
        return result


def cached_by_files(
    files: Callable[P, Iterable[Path]], *, size: int
) -> Callable[[Callable[P, T]], CachedByFiles[P, T]]:
    """Return a decorator that makes a `CachedByFiles`.

    Args:
        files: Function from the arguments to the files and folders that are read.
        size: Number of results that are kept.
    """
    return lambda read: CachedByFiles(read, files=files, size=size)


def _stamp(path: Path) -> tuple[Any, ...]:
    """Return the path with what changes with a file, or with the files below a folder."""
    below = [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]
    return tuple((str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in below if p.exists())
