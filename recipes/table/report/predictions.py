"""The predictions for the test rows, beside their labels."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from sennit.files import write_text
from sennit.recipes.table.schema.schema import Schema
from sennit.tasks import Evaluation, MultiTaskModel


def write_predictions(path: Path, schema: Schema, model: MultiTaskModel, test: Evaluation) -> None:
    """Write a line for each row: its number and, for each target, the true and the predicted value."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns: dict[str, list[Any]] = {"row": test.index.tolist()}
    for name in schema.targets:
        columns |= _columns(name, schema, model, test)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


def _columns(name: str, schema: Schema, model: MultiTaskModel, test: Evaluation) -> dict[str, list[Any]]:
    target: Any = schema.targets[name]
    answers = test.answers[name]
    predicted = model.tasks[name].predict(answers.logits)
    labels = list(zip(answers.targets.tolist(), answers.labelled.tolist(), strict=True))
    if target.kind == "class":
        return {
            name: [target.classes[y] if labelled else "" for y, labelled in labels],
            f"{name}_predicted": [a["label"] for a in predicted],
            f"{name}_probability": [f"{max(a['probabilities'].values()):.4f}" for a in predicted],
        }
    if target.kind == "multilabel":
        names = target.labels if target.column else target.columns
        return {
            name: [
                target.separator.join(n for n, y in zip(names, flags, strict=True) if y) if any(mask) else ""
                for flags, mask in labels
            ],
            f"{name}_predicted": [target.separator.join(a["labels"]) for a in predicted],
        }
    columns: dict[str, list[Any]] = {}
    for j, column in enumerate(target.columns):
        columns[column] = [values[j] if mask[j] else "" for values, mask in labels]
        columns[f"{column}_predicted"] = [f"{a['value'][j]:.9g}" for a in predicted]
    return columns
