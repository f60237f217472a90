"""The inputs of a table, guessed from names and contents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from sennit.encoders.features import sound_length
from sennit.encoders.layers.raw_images import check_image
from sennit.recipes.media_files import file_kind
from sennit.recipes.table.reading.dates import read_dates
from sennit.recipes.table.reading.media import contents_kind
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.column_contents import ColumnContents
from sennit.recipes.table.schema.date_features import default_parts

COUNTS, EACH_ANOTHER = "left out: counts the rows", "left out: every row has another value"
"""Reasons of columns that tell rows apart, and are no input."""
WRITTEN = "numbers with signs that no program reads"
_ID_NAME = re.compile(r"(?i:id|key|uid|uuid|guid)|.*[_ -](?i:id|key|uid|uuid|guid)|.*[a-z]I[dD]")
_MAX_FILES = 200  # of a column, that are looked for


def guess_input(rows: Rows, column: ColumnContents, inputs: dict[str, Any], table: dict[str, Any]) -> str:
    """Add a column to the inputs, or to the table among them; return the reason.

    Args:
        rows: Table.
        column: Column.
        inputs: Inputs as in a schema's file, which are changed.
        table: Table among them, which is changed.
    """
    name = column.name
    if column.values:
        return _contents(column, inputs)
    kinds = Counter(() if column.numeric() else map(file_kind, column.texts))
    kind, count = kinds.most_common(1)[0] if kinds else (None, 0)
    if kind is not None and count > len(column.texts) / 2:
        paths = [rows.folder / text for text in column.texts[:_MAX_FILES] if file_kind(text) == kind]
        existing = [path for path in paths if path.is_file()]
        if not existing:
            return f"left out: names like {kind} files, but '{paths[0]}' does not exist"
        inputs[name] = {"kind": kind, "column": name}
        if kind == "audio":
            inputs[name]["sample_rate"] = _most_common_rate(existing)
        if kind == "image":
            inputs[name]["size"] = _size_of(existing)
        return f"{len(existing)} of the first {len(paths)} {kind} files exist"
    if column.constant():
        return f"left out: always '{column.texts[0]}'"
    if column.dates():
        return _dates(rows, column, table)
    if "smiles" in name.lower():
        inputs[name] = {"kind": "molecule", "column": name}
        return f"molecules, such as '{column.texts[0][:40]}', by its name"
    if column.numeric():
        if column.whole() and column.distinct_throughout() and column.counts_up():
            return COUNTS
        if column.whole() and names_things(name) and not column.few(2):
            if not column.few():
                return f"left out: {len(column.distinct)} ids by its name, some in several rows"
            table["categories"][name] = column.distinct
            return f"{len(column.distinct)} different ids, by its name"
        table["numbers"].append(name)
        return f"numbers from {min(column.numbers):g} to {max(column.numbers):g}"
    if column.written() and not column.few():
        return f"left out: {WRITTEN}, such as '{column.texts[0]}'; write plain ones to use them"
    if column.few() and not (column.long() and len(column.distinct) > column.size / 4):
        table["categories"][name] = column.distinct
        return f"{len(column.distinct)} different values"
    if column.long() or len(column.distinct) < len(column.texts):
        inputs[name] = {"kind": "text", "column": name}
        return f"texts, such as '{column.texts[0][:40]}'"
    return f"{EACH_ANOTHER}, such as '{column.texts[0]}'"


def names_things(name: str) -> bool:
    """Return whether a column is called like an id, whose size means nothing.

    Example:
        >>> names_things("fsID"), names_things("store_id"), names_things("paid")
        (True, True, False)
    """
    return _ID_NAME.fullmatch(name.strip()) is not None


def _dates(rows: Rows, column: ColumnContents, table: dict[str, Any]) -> str:
    """Add a column of dates to the table; return the reason."""
    try:
        dates = read_dates(rows, column.name)
    except BadCell:
        return (
            f"left out: dates of which day and month look alike, such as '{column.texts[0]}'; declare them "
            f"under `dates:` with `date_order: day` or `month`"
        )
    earlier = next(iter(table["dates"]), None)
    table["dates"][column.name] = default_parts(dates) + ([f"since {earlier}"] if earlier else [])
    return f"dates, such as '{column.texts[0]}'" + (f"; with the days since '{earlier}'" if earlier else "")


def _contents(column: ColumnContents, inputs: dict[str, Any]) -> str:
    """Add a column of the contents of files to the inputs; return the reason."""
    contents = [value for value in column.values[:_MAX_FILES] if isinstance(value, bytes)]
    kind, count = Counter(map(contents_kind, contents)).most_common(1)[0] if contents else (None, 0)
    if kind is None:
        return "left out: lists, mappings, or files of a kind that is not read"
    inputs[column.name] = {"kind": kind, "column": column.name}
    if kind == "audio":
        inputs[column.name]["sample_rate"] = _most_common_rate(contents)
    if kind == "image":
        inputs[column.name]["size"] = _size_of(contents)
    return f"{count} of the first {len(contents)} cells hold {kind} files"


def _size_of(files: Sequence[Path | bytes]) -> int:
    """Return the side in pixels of the middle one of the pictures that can be read, from 16 to 64."""
    sides = []
    for file in files:
        try:
            sides.append(max(check_image(file)))
        except ValueError:  # the check before the training names the file
            continue
    return min(64, max(16, int(median(sides)))) if sides else 64


def _most_common_rate(files: Sequence[Path | bytes]) -> int:
    """Return the sample rate in Hz of most of the sound files that can be read."""
    rates = Counter[int]()
    for file in files:
        try:
            rates[sound_length(file)[1]] += 1
        except ValueError:  # the check before the training names the file
            continue
    return rates.most_common(1)[0][0] if rates else 16000
