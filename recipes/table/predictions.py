"""The predictions for the test rows, beside their labels and beside baselines."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from sennit.files import write_text
from sennit.recipes.table.rows import Rows
from sennit.recipes.table.schema import Schema
from sennit.recipes.table.shards import Shards
from sennit.tasks import Evaluation, MultiTaskModel


def baselines(schema: Schema, rows: Rows | Shards, test: Evaluation) -> dict[str, dict[str, float]]:
    """Return the metrics that ignore the inputs: the commonest class, or the mean, of the training rows."""
    result = {}
    for name, target in schema.targets.items():
        if isinstance(rows, Shards) or name not in test.metrics:
            continue
        column = target.read(rows)
        labels = [column[i] for i in rows.subsets["train"] if column[i] is not None]
        answers = test.answers[name]
        true, mask = answers.targets.numpy(), answers.counted.numpy()
        if target.kind == "class":
            result[name] = {"accuracy": float((true[mask] == np.bincount(labels).argmax()).mean())}
        elif target.kind == "multilabel":
            commonest = np.nanmean(np.array(labels), 0) > 0.5
            result[name] = {"accuracy": float((true == commonest)[mask].mean())}
        else:
            error = np.abs(true - np.nanmean(np.array(labels), 0))
            result[name] = {"mae": float(error[mask].mean()), "r2": 0.0}
    return result


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
        columns[f"{column}_predicted"] = [f"{a['value'][j]:.6g}" for a in predicted]
    return columns
