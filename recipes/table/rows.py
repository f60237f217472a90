"""The rows of a table: their cells, and the subsets that they are split into."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.recipes.table.cells import BadCell, Row
from sennit.recipes.table.media import list_folder

from sennit.extras import require
from sennit.registry import unknown_name

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Rows:
    """The cells of a table as plain lists, which workers can share without the table's library.

    Attributes:
        name: Name of the file, for errors.
        columns: Cells of each column.
        folder: Folder that paths in the table are relative to.
        first: Number of the first row: 2 in a CSV file, as spreadsheets count, 0 elsewhere.
        size: Number of rows.
        subsets: Positions of the rows of each subset (train, validation, test) that has any.
        bad: Faults of the rows that are left out, by position.
        notes: Remarks about the data, one sentence each.
    """

    name: str
    columns: dict[str, list[Any]]
    folder: Path
    first: int
    size: int
    subsets: Mapping[str, list[int]] = field(default_factory=dict)
    bad: Mapping[int, list[BadCell]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def row(self, i: int) -> Row:
        """Return row ``i``, counted from 0."""
        cells = {name: column[i] for name, column in self.columns.items()}
        number = i + self.first
        return Row(cells, where=f"'{self.name}', row {number}", index=number, folder=self.folder)

    def select(self, indices: Iterable[int] | None = None) -> Iterator[Row]:
        """Yield the rows at some positions, or all rows."""
        return (self.row(i) for i in (range(self.size) if indices is None else indices))

    def subset(self, name: str) -> Iterator[Row]:
        """Yield the rows of a subset."""
        return self.select(self.subsets[name])

    @property
    def sizes(self) -> dict[str, int]:
        """Number of rows in each subset."""
        return {name: len(indices) for name, indices in self.subsets.items()}

    def check_columns(self, names: Iterable[str], where: str) -> None:
        """Refuse a table without some columns.

        Args:
            names: Names of the columns.
            where: Place in the schema that reads them, for the error.

        Raises:
            ValueError: A column is missing; close names are listed.
        """
        for column in names:
            if column not in self.columns:
                hint = unknown_name("column", column, self.columns)
                only = next(iter(self.columns)) if len(self.columns) == 1 else ""
                fix = " Are the columns separated by commas?" if ";" in only or "\t" in only else ""
                raise ValueError(f"'{self.name}' lacks a column that {where} reads: {hint}{fix}")


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
        columns = list_folder(path)
        return Rows(path.name, columns, path, 0, len(columns["file"]))
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
    return Rows(name, columns, folder, first, frame.height)


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
