"""Data frames of pandas and polars, arrays and paths as rows, and answers in the kind that was given."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows


def rows_of(data: Any) -> Rows:
    """Return the rows of a table of any kind.

    Args:
        data: Data frame of pandas or polars, path, rows, mapping from column to cells, or array ``[N, D]``,
            whose columns are called ``x0``, ``x1`` and so on.

    Raises:
        TypeError: It is none of these.
        ValueError: It has no rows, columns of different lengths, or two columns of one name.

    Example:
        >>> list(rows_of(np.zeros((2, 3))).columns)
        ['x0', 'x1', 'x2']
    """
    if isinstance(data, Mapping):
        return _of_columns({str(name): list(cells) for name, cells in data.items()})
    if not isinstance(data, (str, Path, Rows)) and not hasattr(type(data), "columns"):
        array = np.asarray(data)
        if array.ndim != 2:
            raise TypeError(
                f"X should be a data frame of pandas or polars, a path, or an array [rows, columns]. Found "
                f"{type(data).__name__} of shape {array.shape}."
            )
        return _of_columns({f"x{k}": column.tolist() for k, column in enumerate(array.T)})
    return read_rows(data)


def with_targets(rows: Rows, y: Any, names: Sequence[str]) -> Rows:
    """Return rows with the columns of their targets.

    Args:
        rows: Rows.
        y: Cells of the targets: a series or list of one target, a data frame or array of several.
        names: Names of the targets.

    Raises:
        ValueError: ``y`` has another number of rows or of columns.
    """
    if hasattr(y, "columns"):
        columns = dict(rows_of(y).columns)
        cells = [columns[name] for name in names] if set(names) <= set(columns) else list(columns.values())
    elif isinstance(y, np.ndarray) and y.ndim == 2:
        cells = [column.tolist() for column in y.T]
    else:
        cells = [y.tolist() if hasattr(y, "tolist") else y.to_list() if hasattr(y, "to_list") else list(y)]
    if len(cells) != len(names):
        raise ValueError(f"y should have a column for each of {list(names)}. Found {len(cells)} columns.")
    for name, column in zip(names, cells, strict=True):
        if len(column) != len(rows):
            raise ValueError(
                f"y should have as many rows as X. Found {len(column)} of '{name}', and {len(rows)} in X."
            )
    return replace(rows, columns={**rows.columns, **dict(zip(names, cells, strict=True))})


def frame_like(data: Any, columns: Mapping[str, Sequence[Any]]) -> Any:
    """Return columns as a data frame of the kind of some data, of pandas with its index.

    Args:
        data: Data that the columns belong to.
        columns: Cells by column.

    Returns:
        A frame of pandas for one of pandas, of polars for one of polars, a mapping of arrays for others.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(data, pandas.DataFrame):
        return pandas.DataFrame(dict(columns), index=data.index)
    if polars is not None and isinstance(data, polars.DataFrame):
        return polars.DataFrame(dict(columns), strict=False)
    return {name: array_of(cells) for name, cells in columns.items()}


def series_like(data: Any, name: str, cells: Sequence[Any]) -> Any:
    """Return one column in the kind of some data: a series of pandas or polars, or an array.

    Args:
        data: Data that the column belongs to.
        name: Name of the column.
        cells: Its cells.
    """
    frame = frame_like(data, {name: cells})
    return frame[name]


def array_of(cells: Sequence[Any]) -> np.ndarray:
    """Return cells as an array: of objects where they are lists, or of several types.

    Example:
        >>> array_of([1, 2]).dtype.kind, array_of(["a", "b"]).dtype.kind, array_of([["a"], []]).dtype.kind
        ('i', 'U', 'O')
    """
    if any(isinstance(cell, list) for cell in cells) or len({type(cell) for cell in cells}) > 1:
        array = np.empty(len(cells), dtype=object)
        array[:] = cells
        return array
    return np.asarray(cells)


def _of_columns(columns: Mapping[str, list[Any]]) -> Rows:
    lengths = {name: len(cells) for name, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"all columns should have the same number of rows. Found {lengths}.")
    count = next(iter(lengths.values()), 0)
    if not count:
        raise ValueError("the data should hold at least one row. Found none.")
    return Rows("the data", dict(columns), range(count))
