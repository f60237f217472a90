"""The files that the cells of a table name."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path, PurePosixPath

_MOST_FILES = 100_000  # of a folder, that are looked through


def locate(folder: Path, text: str) -> str:
    """Return the path that a cell names; backslashes count as slashes where the file is there.

    Args:
        folder: Folder that the path is relative to.
        text: Contents of the cell.
    """
    if re.match(r"[a-z0-9]+://", text):
        return text
    path = folder / text
    if "\\" in text and not path.is_file() and (folder / text.replace("\\", "/")).is_file():
        path = folder / text.replace("\\", "/")
    return str(path)


def missing_file(path: str) -> FileNotFoundError:
    """Return the error for a path without a file, with the nearest file that is there."""
    if "://" in path:
        return FileNotFoundError(f"'{path}' is an address. Download the file, and give its path.")
    wanted = Path(path)
    first = re.split("[;|,]", path)[0]
    if first != path and Path(first).is_file():
        return FileNotFoundError(f"there is no file '{path}'. A cell names one file: make a column for each.")
    base = next((parent for parent in wanted.parents if parent.is_dir()), None)
    nearest = None if base is None else _nearest(base, wanted)
    hint = "Paths are relative to the table's folder."
    if base is not None and nearest is not None:
        hint = f"Is it '{nearest}' in '{base}'?"
        name = wanted.relative_to(base).as_posix()
        folder, ending = nearest.parent.as_posix(), nearest.suffix
        options = [f"`folder: {folder}`"] if folder not in (".", wanted.parent.as_posix()) else []
        options += [f"`ending: {ending}`"] if f"{PurePosixPath(name).name}{ending}" == nearest.name else []
        if options and "/" not in name:
            hint += f" Then give the input {' and '.join(options)} in the schema."
    return FileNotFoundError(f"there is no file '{path}'. {hint}")


def _nearest(base: Path, wanted: Path) -> PurePosixPath | None:
    """Return the file below a folder of the same name, but for capitals, its ending or its folder."""
    below = _files_below(str(base), base.stat().st_mtime_ns)
    name = wanted.name.replace("\\", "/").rpartition("/")[2].casefold()
    return below.get(name) or below.get(name.rpartition(".")[0]) if "." in name else below.get(name)


@lru_cache(maxsize=8)
def _files_below(folder: str, changed: int) -> dict[str, PurePosixPath]:
    """Return files by their names and by their names without endings, all in small letters."""
    result: dict[str, PurePosixPath] = {}
    for path, _ in zip(Path(folder).rglob("*"), range(_MOST_FILES), strict=False):
        if path.is_file():
            relative = PurePosixPath(path.relative_to(folder).as_posix())
            result.setdefault(relative.name.casefold(), relative)
            result.setdefault(relative.stem.casefold(), relative)
    return result
