"""The predictions for the test rows, beside their labels."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from sennit.files import write_text
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import (
    ClassTarget,
    MultiLabelTarget,
    NumberTarget,
    OrdinalTarget,
    Target,
)
from sennit.tasks import Evaluation, MultiTaskModel


def write_predictions(
    path: Path, schema: Schema, rows: Rows | Shards, model: MultiTaskModel, test: Evaluation
) -> None:
    """Write a line for each row: its number and, for each target, the table's cells and the prediction."""
    columns: dict[str, list[Any]] = {"row": test.index.tolist()}
    for name in schema.targets:
        columns |= _columns(name, schema, rows, model, test)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


def _columns(
    name: str, schema: Schema, rows: Rows | Shards, model: MultiTaskModel, test: Evaluation
) -> dict[str, list[Any]]:
    target: Any = schema.targets[name]
    predicted = model.tasks[name].predict(test.answers[name].logits)
    true = _cells(target, rows, test) if isinstance(rows, Rows) else _labels(name, target, test)
    if "label" in predicted[0]:
        return {
            **true,
            f"{name}_predicted": [a["label"] for a in predicted],
            f"{name}_probability": [f"{a['probabilities'][a['label']]:.4f}" for a in predicted],
        }
    if "labels" in predicted[0]:
        return {**true, f"{name}_predicted": [target.separator.join(a["labels"]) for a in predicted]}
    several = target.column_names if target.kind == "number" else [name]
    columns: dict[str, list[Any]] = {}
    for key in predicted[0]:
        for j, column in enumerate(several):
            ending = "predicted" if key == "value" else key
            columns[f"{column}_{ending}"] = [f"{a[key][j]:.9g}" for a in predicted]
    return true | columns


def _cells(target: Target, rows: Rows, test: Evaluation) -> dict[str, list[Any]]:
    """Return the cells of a target's columns as they stand in the table: a label has lost digits."""
    position = {number: i for i, number in enumerate(rows.row_numbers)}
    places = [position[number] for number in test.index.tolist()]
    columns = {}
    for column in target.column_names:
        cells, blank = rows.cells(column), rows.blank(column)
        columns[column] = ["" if blank[i] else _shown(cells[i]) for i in places]
    return columns


def _shown(cell: Any) -> Any:
    return "|".join(map(str, cell)) if isinstance(cell, list) else cell


def _labels(name: str, target: Any, test: Evaluation) -> dict[str, list[Any]]:
    """Return the labels of samples whose cells are not kept."""
    answers = test.answers[name]
    labels = list(zip(answers.targets.tolist(), answers.labelled.tolist(), strict=True))
    if isinstance(target, (ClassTarget, OrdinalTarget)):
        return {name: [(target.classes or [])[y] if labelled else "" for y, labelled in labels]}
    if isinstance(target, MultiLabelTarget):
        names = (target.labels if target.column else target.columns) or []
        return {
            name: [
                target.separator.join(n for n, y in zip(names, flags, strict=True) if y) if any(mask) else ""
                for flags, mask in labels
            ]
        }
    if isinstance(target, NumberTarget):
        return {
            column: [values[j] if mask[j] else "" for values, mask in labels]
            for j, column in enumerate(target.columns)
        }
    return {name: [y if labelled else "" for y, labelled in labels]}
