"""Rows whose files take longest to read."""

from __future__ import annotations

import time

import numpy as np

from sennit.html_page import Grid, Heading, Text
from sennit.recipes.table.data.load import open_subset
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.row_names import row_columns, row_text
from sennit.recipes.table.schema.file_inputs import FileInput

_MOST_ROWS, _SECONDS, _SHOWN = 200, 2.0, 5


def slowest_part(results: Results) -> Part:
    """Return the time to read a row, of up to 200 rows at random, and the slowest of them."""
    rows, schema = results.rows, results.schema
    if not isinstance(rows, Rows) or not any(isinstance(spec, FileInput) for spec in schema.inputs.values()):
        return Part()
    subset = "test" if "test" in rows.subsets else "train"
    data = open_subset(rows, schema, subset, preprocess=results.model.preprocessing())
    order = np.random.default_rng(0).permutation(len(rows.subsets[subset]))[:_MOST_ROWS]
    times: dict[int, float] = {}
    start = time.perf_counter()
    for i in order:
        begin = time.perf_counter()
        data[int(i)]
        times[rows.subsets[subset][i]] = 1000 * (time.perf_counter() - begin)
        if time.perf_counter() - start > _SECONDS:
            break
    slowest = sorted(times, key=lambda i: -times[i])[:_SHOWN]
    median = float(np.median(list(times.values())))
    named = row_columns(schema, rows, slowest)
    lines = [[*row_text(named, k), f"{times[i]:.1f}"] for k, i in enumerate(slowest)]
    text = f"Reading a row takes {median:.1f} ms (median of {len(times)} {subset} rows); the slowest:"
    return Part(
        [Heading("Reading the files"), Text(text), Grid([*named, "ms"], lines)],
        {"reading": {"median_ms": round(median, 3), "rows": len(times), "subset": subset}},
    )
