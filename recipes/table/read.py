"""Reading a table: CSV, Parquet, a data frame, or a folder for each class."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from sennit.extras import require
from sennit.recipes.table.media import file_kind
from sennit.recipes.table.rows import Rows

if TYPE_CHECKING:
    import polars as pl


def read_rows(data: str | Path | pl.DataFrame | Rows) -> Rows:
    """Read a table.

    Args:
        data: A ``.csv`` (UTF-8, commas; ``.tsv``: tabs), ``.parquet``, polars data frame, or folder that
            holds one folder of images or sound files for each class.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It cannot be read, has no rows, or has two columns of one name.
        ImportError: polars is not installed.
    """
    if isinstance(data, Rows):
        return data
    if not isinstance(data, (str, Path)):
        return _from_frame(data, "the data frame", Path(), 0)
    path = Path(data)
    if path.is_dir():
        columns = _folder_columns(path)
        return Rows(path.name, columns, range(len(columns["file"])), path)
    if not path.is_file():
        raise FileNotFoundError(f"no file or folder '{path}'. Give a .csv, a .parquet or a folder per class.")
    polars = require("polars", "table")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return _from_frame(polars.read_parquet(path), path.name, path.parent, 0)
        # As text, so that an error can show what the cell holds.
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        frame = polars.read_csv(path, infer_schema=False, separator=separator)
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"'{path}' cannot be read: {_reason(path, error)}") from None
    return _from_frame(frame, path.name, path.parent, 2)


def _from_frame(frame: pl.DataFrame, name: str, folder: Path, first: int) -> Rows:
    repeated = [c for c in frame.columns if c.endswith("_duplicated_0")]
    if repeated:
        column = repeated[0].removesuffix("_duplicated_0")
        raise ValueError(f"'{name}' has two columns '{column}'. Rename one.")
    if frame.height == 0:
        raise ValueError(f"'{name}' should hold at least one row under its header. Found none.")
    columns = {column: frame[column].to_list() for column in frame.columns}
    return Rows(name, columns, range(first, first + frame.height), folder)


def _reason(path: Path, error: Exception) -> str:
    """Return the reason why a file cannot be read, with the row where possible."""
    if path.stat().st_size == 0:
        return "it is empty."
    if "utf-8" in str(error):
        return "it should be UTF-8. Found another encoding. Save it as UTF-8."
    if path.suffix.lower() == ".csv":
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = csv.reader(file)
            width = len(next(lines, []))
            for number, line in enumerate(lines, 2):
                if len(line) > width:
                    return (
                        f"row {number} should have {width} cells, as the header has. Found {len(line)}. "
                        f"Put cells that hold commas in double quotes."
                    )
    return str(error).splitlines()[0]


def _folder_columns(folder: Path) -> dict[str, list[str]]:
    """Return the columns ``file`` (relative to the folder) and ``class`` of the files in each sub-folder.

    Raises:
        ValueError: There are no sub-folders, one without files, or files of several kinds.
    """
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        raise ValueError(
            f"'{folder}' should hold one folder for each class. Found none. Give a .csv or .parquet "
            f"file, or put the files of each class into a folder."
        )
    columns: dict[str, list[str]] = {"file": [], "class": []}
    first: dict[str, str] = {}
    for subfolder in classes:
        paths = sorted(p for p in subfolder.rglob("*") if file_kind(p.name) in ("image", "audio"))
        if not paths:
            raise ValueError(
                f"'{subfolder}' should hold images or sound files. Found none. Remove the folder."
            )
        for path in paths:
            name = path.relative_to(folder).as_posix()
            first.setdefault(file_kind(name) or "", name)
            columns["file"].append(name)
            columns["class"].append(subfolder.name)
    if len(first) > 1:
        raise ValueError(
            f"'{folder}' should hold files of one kind. Found {' and '.join(sorted(first))} "
            f"({', '.join(repr(n) for n in first.values())}). For several kinds give a .csv file."
        )
    return columns
