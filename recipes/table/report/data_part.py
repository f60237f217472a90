"""The data of the run: rows by subset, and remarks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sennit.html_page import Grid, Heading, Items
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.schema.inputs import Input
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import Target


def data_part(results: Results) -> Part:
    """Return the number of rows with each input and label, and the remarks about the data."""
    fitted = dataclasses.asdict(results.record.fitted)
    plain = {k: v for k, v in fitted.items() if not isinstance(v, Path)}
    notes = [Items(results.notes)] if results.notes else []
    return Part(
        [Heading("Data"), _counts(results.schema, results.rows), *notes],
        {"rows": results.rows.sizes, "fitted": plain},
    )


def _counts(schema: Schema, rows: Rows | Shards) -> Grid:
    """Return the number of rows in each subset and, for a table, of those that have each input and label."""
    if isinstance(rows, Shards):
        return Grid(["subset", "rows"], [[name, str(size)] for name, size in rows.sizes.items()])
    specs: dict[str, Input | Target] = {**schema.inputs, **schema.targets}
    blank = {column: rows.blank(column) for column in (*schema.input_columns, *schema.target_columns)}
    lines = []
    for subset, indices in rows.subsets.items():
        counts = [
            sum(not all(blank[c][i] for c in spec.column_names) for i in indices) for spec in specs.values()
        ]
        lines.append([subset, str(len(indices)), *map(str, counts)])
    return Grid(["subset", "rows", *(f"with {name}" for name in specs)], lines)
