"""Reading a table: CSV, Parquet, JSON, a sheet, a data frame, or a folder for each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sennit.extras import require
from sennit.recipes.media_files import file_kind
from sennit.recipes.table.reading.class_folders import read_class_folders
from sennit.recipes.table.reading.delimited import Lines, read_lines
from sennit.recipes.table.reading.json_rows import read_json_rows
from sennit.recipes.table.reading.rows import BadCell, Rows

if TYPE_CHECKING:
    import polars as pl

_OTHER = {
    ".xls": "polars.read_excel",
    ".ods": "polars.read_ods",
    ".feather": "polars.read_ipc",
    ".arrow": "polars.read_ipc",
}

_JSON = (".jsonl", ".ndjson", ".json")


def read_rows(
    data: str | Path | pl.DataFrame | Rows, *, skip_bad_rows: bool = False, separator: str | None = None
) -> Rows:
    """Read a table.

    Args:
        data: A ``.csv`` (UTF-8; commas, semicolons or tabs), ``.parquet``, ``.jsonl`` (an object a line),
            ``.json`` (a list of objects), ``.xlsx`` (its first sheet), data frame of polars or pandas, or
            folder that holds one folder of images or sound files for each class, or such folders in each of
            the folders train, validation and test.
        skip_bad_rows: Whether rows with too few or too many cells are faults of these rows alone.
        separator: Character between the cells of a text file; by default the commonest of commas, semicolons
            and tabs in the header.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It cannot be read, has no rows, or has two columns of one name.
        BadCell: A row has too few or too many cells.
        ImportError: polars, or the reader of sheets, is not installed.
    """
    if isinstance(data, Rows):
        return data
    if not isinstance(data, (str, Path)):
        return _of_frame(data, "the data frame", Path())
    path = Path(data)
    if path.is_dir():
        return read_class_folders(path)
    if not path.is_file():
        fix = "Download it first." if "://" in str(data) else "Give a .csv, a .parquet or a folder per class."
        raise FileNotFoundError(f"no file or folder '{data}'. {fix}")
    if path.suffix.lower() in _OTHER:
        raise ValueError(
            f"'{path}' should be a .csv or a .parquet. Found {path.suffix}. Read it with "
            f"{_OTHER[path.suffix.lower()]}, and save it with write_parquet."
        )
    if (kind := file_kind(path.name)) in ("image", "audio"):
        raise ValueError(
            f"'{path}' should be a table. Found one {kind} file. Give a .csv with a column of such files, or "
            f"a folder that holds one folder of them for each class."
        )
    raw = path.read_bytes()
    if path.suffix.lower() in _JSON:
        return _of_json(raw, path)
    if path.suffix.lower() == ".xlsx":
        return _of_sheet(path)
    if raw.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"):
        polars = require("polars", "table")
        try:
            return _of_frame(polars.read_parquet(path), path.name, path.parent)
        except (polars.exceptions.PolarsError, polars.exceptions.PanicException, OSError):
            raise ValueError(
                f"'{path}' cannot be read: it is no whole Parquet file. Write it again."
            ) from None
    try:
        lines = read_lines(raw, tabs=path.suffix.lower() == ".tsv", separator=separator)
    except ValueError as error:
        raise ValueError(f"'{path}' cannot be read: {error}") from None
    return _of_lines(lines, path, skip_bad_rows)


def _of_json(raw: bytes, path: Path) -> Rows:
    try:
        columns, numbers = read_json_rows(raw, lines=path.suffix.lower() != ".json")
    except ValueError as error:
        raise ValueError(f"'{path}' cannot be read: {error}") from None
    cells = {column: [_cell(cell) for cell in values] for column, values in columns.items()}
    return _with_rows(Rows(path.name, cells, numbers, path.parent))


def _of_sheet(path: Path) -> Rows:
    """Return the cells of the first sheet, whose rows are numbered from 2, as spreadsheets do."""
    polars, fastexcel = require("polars", "table"), require("fastexcel", "xlsx")
    try:
        frame = polars.read_excel(path, drop_empty_rows=False)
    except (fastexcel.FastExcelError, polars.exceptions.PolarsError, OSError):
        raise ValueError(
            f"'{path}' cannot be read: its first sheet should be a table with names in the first row. "
            f"Save it again, or as CSV."
        ) from None
    rows = _of_frame(frame, path.name, path.parent)
    blank = [all(cells) for cells in zip(*(rows.blank(c) for c in rows.columns), strict=True)]
    kept = [i for i, empty in enumerate(blank) if not empty]
    notes = [f"{sum(blank)} blank rows are left out."] if any(blank) else []
    return _with_rows(replace(rows, row_numbers=range(2, len(rows) + 2), notes=notes).take(kept))


def _of_lines(lines: Lines, path: Path, skip_bad_rows: bool) -> Rows:
    header = [cell.strip() for cell in lines.cells[0]]
    _check_names(header, path.name)
    body, unnamed = lines.cells[1:], header.count("")
    columns = {
        name: [line[k] if k < len(line) else None for line in body] for k, name in enumerate(header) if name
    }
    notes = [*lines.notes, *([f"{unnamed} columns without a name are left out."] if unnamed else [])]
    decimal = "," if lines.separator == ";" else "."
    rows = Rows(path.name, columns, lines.numbers[1:], path.parent, notes=notes, decimal=decimal)
    faults = {i: lines.fault(i + 1) for i in range(len(body))}
    bad = {i: [rows.fault(i, "", problem)] for i, problem in faults.items() if problem}
    if bad and not skip_bad_rows:
        first = next(iter(bad.values()))[0]
        total = f" Such rows in all: {len(bad)}." if len(bad) > 1 else ""
        raise BadCell(f"{first}{total} Fix the file, or leave such rows out with --skip-bad-rows.")
    return _with_rows(replace(rows, bad=bad))


def _of_frame(frame: Any, name: str, folder: Path) -> Rows:
    """Return the cells of a data frame of polars or pandas."""
    if hasattr(frame, "iter_columns"):
        columns = [(column.name, column.to_list()) for column in frame.iter_columns()]
    elif hasattr(frame, "items") and hasattr(frame, "dtypes"):
        columns = [
            (str(column), [None if blank else cell for cell, blank in zip(cells, cells.isna(), strict=True)])
            for column, cells in frame.items()
        ]
    else:
        lazy = " Call `.collect()` first." if hasattr(frame, "collect") else ""
        raise TypeError(
            f"data should be a path or a data frame of polars or pandas. Found {type(frame).__name__}.{lazy}"
        )
    _check_names([column for column, _ in columns], name)
    cells = {column: [_cell(cell) for cell in values] for column, values in columns}
    return _with_rows(Rows(name, cells, range(len(columns[0][1]) if columns else 0), folder))


def _cell(cell: Any) -> Any:
    """Return a cell as a plain value: seconds of a duration, contents of a file that the Hub writes."""
    if isinstance(cell, Mapping) and "bytes" in cell:
        return cell["path"] if cell["bytes"] is None else cell["bytes"]
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    return cell.tolist() if hasattr(cell, "tolist") else cell


def _check_names(names: Sequence[str], where: str) -> None:
    for column, count in Counter(names).items():
        if count > 1 and column:
            raise ValueError(f"'{where}' has two columns '{column}'. Rename one.")


def _with_rows(rows: Rows) -> Rows:
    if not len(rows):
        raise ValueError(f"'{rows.name}' should hold at least one row under its header. Found none.")
    return rows
