"""Reading a table: CSV, Parquet, a data frame, or a folder for each class."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.recipes.table.folder import list_folder
from sennit.recipes.table.row import Row

from sennit.extras import require
from sennit.registry import unknown_name

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Source:
    """The columns of a table as plain lists, which workers can share without its library.

    Attributes:
        name: Of the file, for errors.
        columns: By name.
        folder: Paths in the table are relative to it.
        first: The number of the first row: 2 in a CSV file, as spreadsheets count, 0 elsewhere.
        size: Number of rows.
    """

    name: str
    columns: dict[str, list[Any]]
    folder: Path
    first: int
    size: int

    def row(self, i: int) -> Row:
        """Row ``i``, counted from 0."""
        cells = {name: column[i] for name, column in self.columns.items()}
        return Row(cells, where=f"'{self.name}', row {i + self.first}", folder=self.folder)

    def rows(self, which: Sequence[int] | None = None) -> Iterable[Row]:
        """Some rows, or all."""
        return (self.row(i) for i in (range(self.size) if which is None else which))

    def check_columns(self, wanted: Iterable[str], where: str) -> None:
        """Refuse a column that is not there.

        Raises:
            ValueError: A column is missing; the schema's part that reads it and close names are named.
        """
        for column in wanted:
            if column not in self.columns:
                hint = unknown_name("column", column, self.columns)
                only = next(iter(self.columns)) if len(self.columns) == 1 else ""
                mend = " Are the columns separated by commas?" if ";" in only or "\t" in only else ""
                raise ValueError(f"'{self.name}' lacks a column that {where} reads: {hint}{mend}")


def read_source(data: str | Path | pl.DataFrame | Source) -> Source:
    """Read a table.

    Args:
        data: A ``.csv`` (UTF-8, commas; ``.tsv``: tabs), ``.parquet``, a data frame of polars, or a
            folder that holds one folder of images or sound files for each class.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It cannot be read, has no rows, or has two columns of one name.
        ImportError: polars is not installed.
    """
    if isinstance(data, Source):
        return data
    if not isinstance(data, (str, Path)):
        return _of_frame(data, "the data frame", Path(), 0)
    path = Path(data)
    if path.is_dir():
        files = list_folder(path)
        return Source(path.name, files, path, 0, len(files["file"]))
    if not path.is_file():
        raise FileNotFoundError(f"no file or folder '{path}'. Give a .csv, a .parquet or a folder per class.")
    polars = require("polars", "table")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return _of_frame(polars.read_parquet(path), path.name, path.parent, 0)
        # As text, so that an error can show what the cell holds.
        comma = "\t" if path.suffix.lower() == ".tsv" else ","
        frame = polars.read_csv(path, infer_schema=False, separator=comma)
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"'{path}' cannot be read: {_reason(path, error)}") from None
    return _of_frame(frame, path.name, path.parent, 2)


def _of_frame(frame: pl.DataFrame, name: str, folder: Path, first: int) -> Source:
    twice = [c for c in frame.columns if c.endswith("_duplicated_0")]
    if twice:
        raise ValueError(f"'{name}' has two columns '{twice[0].removesuffix('_duplicated_0')}'. Rename one.")
    if frame.height == 0:
        raise ValueError(f"'{name}' should hold at least one row under its header. Found none.")
    columns = {column: frame[column].to_list() for column in frame.columns}
    return Source(name, columns, folder, first, frame.height)


def _reason(path: Path, error: Exception) -> str:
    """What is wrong with a file, with its row where that can be found."""
    if path.stat().st_size == 0:
        return "it is empty."
    if "utf-8" in str(error):
        return "it should be UTF-8. Found another encoding. Save it as UTF-8."
    if path.suffix.lower() == ".csv":
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = csv.reader(file)
            width = len(next(rows, []))
            for number, row in enumerate(rows, 2):
                if len(row) > width:
                    return (
                        f"row {number} should have {width} cells, as the header has. Found {len(row)}. "
                        f"Put cells that hold commas in double quotes."
                    )
    return str(error).splitlines()[0]
