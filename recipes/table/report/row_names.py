"""Names of rows for people: number, id and the files that its cells name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.file_inputs import FileInput
from sennit.recipes.table.schema.schema import Schema

Columns = dict[str, list[Any]]


def row_columns(schema: Schema, rows: Rows, positions: Sequence[int]) -> Columns:
    """Return the columns that name rows: the number of each, its id and the files of its cells.

    Args:
        schema: Complete schema.
        rows: Table.
        positions: Positions of the rows.
    """
    columns: Columns = {"row": [rows.row_numbers[i] for i in positions]}
    named = [schema.id] if schema.id is not None and schema.id in rows.columns else []
    named += [spec.column for spec in schema.inputs.values() if isinstance(spec, FileInput)]
    for column in dict.fromkeys(named):
        cells = rows.cells(column)
        columns[column] = ["" if isinstance(cells[i], bytes) else cells[i] for i in positions]
    return columns


def row_text(columns: Columns, place: int) -> list[str]:
    """Return the name of one row, a text for each column."""
    return ["" if cells[place] is None else str(cells[place]) for cells in columns.values()]
