"""The answers for rows as columns: what the file of answers, and a data frame of them, hold."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sennit.files import write_text
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema

Columns = dict[str, list[Any]]


def answer_columns(
    schema: Schema, answers: Sequence[Mapping[str, Mapping[str, Any]]], *, probabilities: bool = True
) -> Columns:
    """Return the columns of the answers.

    Args:
        schema: Complete schema.
        answers: Answer of each target for each row.
        probabilities: Whether to add the probabilities of classes and labels.
    """
    columns: Columns = {}
    for name, target in schema.targets.items():
        lines = [_cells(name, answer[name], target, probabilities) for answer in answers]
        for key in lines[0] if lines else ():
            columns[key] = [line[key] for line in lines]
    return columns


def id_columns(rows: Rows, indices: Sequence[int], id: str | None) -> Columns:
    """Return the columns that name rows: the number of each and, where the table has one, its id.

    Args:
        rows: Table.
        indices: Positions of the rows.
        id: Column of ids.
    """
    columns: Columns = {"row": [rows.row_numbers[i] for i in indices]}
    if id is not None and id in rows.columns:
        cells = rows.cells(id)
        columns[id] = [cells[i] for i in indices]
    return columns


def write_columns(path: Path, columns: Columns) -> None:
    """Write a CSV file; probabilities with six decimals, numbers with nine digits."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    shown = [_shown(name, cells) for name, cells in columns.items()]
    writer.writerows(zip(*shown, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())


def _cells(name: str, values: Mapping[str, Any], target: Any, probabilities: bool) -> dict[str, Any]:
    """Return the cells of one target's answer."""
    p: Mapping[str, float] = values.get("probabilities", {}) if probabilities else {}
    each = {f"{name}_p_{key}": value for key, value in p.items()}
    if "labels" in values:
        separator = target.separator if isinstance(getattr(target, "separator", None), str) else "|"
        return {name: separator.join(values["labels"]), **each}
    if "label" in values:
        likely = {f"{name}_probability": p[values["label"]]} if p else {}
        return {name: values["label"], **likely, **each}
    columns = list(target.column_names)
    cells: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            cells |= {f"{name}_{key}_{of}": number for of, number in value.items()}
            continue
        ending = "" if key == "value" else f"_{key}"
        several = value if isinstance(value, (list, tuple)) else [value]
        for k, number in enumerate(several):
            column = columns[k] if len(several) == len(columns) > 1 else name
            cells[f"{column}{ending}"] = number
    return cells


def _shown(name: str, cells: Sequence[Any]) -> list[Any]:
    digits = ".6f" if "_p_" in name or name.endswith("_probability") else ".9g"
    return [format(cell, digits) if isinstance(cell, float) else cell for cell in cells]
