"""A table of the files in a folder for each class, maybe within the folders train, validation and test."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from sennit.recipes.media_files import (
    MediaFiles,
    file_kind,
    folders_in,
    is_hidden,
    left_out_note,
    subset_folders,
)
from sennit.recipes.table.reading.rows import Rows


def read_class_folders(folder: Path) -> Rows:
    """Return the columns ``file`` (relative to the folder), ``class`` and, where it is declared, ``split``.

    Raises:
        ValueError: There are no sub-folders, one without files, files of several kinds, or subsets beside
            other folders.
    """
    subsets = subset_folders(folder)
    classes = [path for subset in subsets for path in folders_in(subset)] if subsets else folders_in(folder)
    if not classes:
        raise ValueError(
            f"'{folder}' should hold one folder for each class. Found none. Give a .csv or .parquet "
            f"file, or put the files of each class into a folder."
        )
    columns: dict[str, list[str]] = {"file": [], "class": [], "split": []}
    first: dict[str, str] = {}
    left_out = Counter(
        path.suffix.lower() or "without an ending"
        for place in (folder, *subsets)
        for path in place.iterdir()
        if path.is_file() and not is_hidden(path.name)
    )
    for path in classes:
        files = MediaFiles.below(path, ("image", "audio"))
        left_out += files.left_out
        if not files.paths:
            raise ValueError(
                f"'{path}' should hold images or sound files. Found none. Remove the folder. "
                f"{left_out_note(files.left_out)}".rstrip()
            )
        for file in files.paths:
            name = file.relative_to(folder).as_posix()
            first.setdefault(file_kind(name) or "", name)
            columns["file"].append(name)
            columns["class"].append(path.name)
            columns["split"].append(path.parent.name)
    if len(first) > 1:
        raise ValueError(
            f"'{folder}' should hold files of one kind. Found {' and '.join(sorted(first))} "
            f"({', '.join(repr(n) for n in first.values())}). For several kinds give a .csv file."
        )
    if len(subsets) < 2:
        del columns["split"]
    note = left_out_note(left_out)
    return Rows(folder.name, columns, range(len(columns["file"])), folder, notes=[note] if note else [])
