"""The answers of a trained model for the test rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sennit.data import Batch
from sennit.recipes.table.rows import Rows
from sennit.recipes.table.schema import Schema
from sennit.recipes.table.shards import Shards
from sennit.tasks import MultiTaskModel

from sennit.files import write_text


@dataclass
class Answers:
    """The model's answer and the label of each row, by target.

    Attributes:
        rows: Number of each row.
        answers: Answers as ``model.predict`` returns them.
        true: Labels.
        labelled: Mask of the labels.
        metrics: Metrics of each target that has enough labelled rows.
    """

    rows: list[int] = field(default_factory=list)
    answers: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    true: dict[str, np.ndarray] = field(default_factory=dict)
    labelled: dict[str, np.ndarray] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)


@torch.no_grad()
def answer(model: MultiTaskModel, batches: Iterable[Batch]) -> Answers:
    """Predict batches, and measure the predictions."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()
    result = Answers()
    names = list(model.with_head)
    metrics = {name: model.tasks[name].metrics().to(device) for name in names}
    labels: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    for batch in batches:
        moved = batch.to(device)
        result.rows += [] if batch.index is None else batch.index.tolist()
        for name, output in model(moved).items():
            labelled = moved.labelled[name]
            result.answers.setdefault(name, []).extend(model.tasks[name].predict(output.logits))
            labels[name].append((batch.targets[name].numpy(), batch.labelled[name].numpy()))
            if bool(labelled.any()):
                task = model.tasks[name]
                task.update_metrics(metrics[name], output.logits, moved.targets[name], labelled)
    for name, pairs in labels.items():
        result.true[name], result.labelled[name] = (np.concatenate(x) for x in zip(*pairs, strict=True))
        count = result.labelled[name].reshape(len(result.rows), -1).all(1).sum()
        if count >= 2 or (count and model.tasks[name].kind != "regression"):  # an R² needs two
            result.metrics[name] = {k: float(v) for k, v in metrics[name].compute().items()}
    model.to("cpu")
    return result


def baselines(schema: Schema, rows: Rows | Shards, test: Answers) -> dict[str, dict[str, float]]:
    """Return the metrics that ignore the inputs: the commonest class, or the mean, of the training rows."""
    result = {}
    for name, target in schema.targets.items():
        if isinstance(rows, Shards) or name not in test.metrics:
            continue
        labels = [y for row in rows.subset("train") if (y := target.value(row)) is not None]
        true, mask = test.true[name], test.labelled[name]
        if target.kind == "class":
            result[name] = {"accuracy": float((true[mask] == np.bincount(labels).argmax()).mean())}
        elif target.kind == "multilabel":
            commonest = np.nanmean(np.array(labels), 0) > 0.5
            result[name] = {"accuracy": float((true == commonest)[mask].mean())}
        else:
            error = np.abs(true - np.nanmean(np.array(labels), 0))
            result[name] = {"mae": float(error[mask].mean()), "r2": 0.0}
    return result


def write_predictions(path: Path, schema: Schema, test: Answers) -> None:
    """Write a line for each row: its number and, for each target, the true and the predicted value."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns: dict[str, list[Any]] = {"row": test.rows}
    for name in schema.targets:
        columns |= _columns(name, schema, test)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())


def _columns(name: str, schema: Schema, test: Answers) -> dict[str, list[Any]]:
    target: Any = schema.targets[name]
    answers, true, labelled = test.answers[name], test.true[name], test.labelled[name]
    if target.kind == "class":
        return {
            name: [target.classes[int(y)] if mask else "" for y, mask in zip(true, labelled, strict=True)],
            f"{name}_predicted": [a["label"] for a in answers],
            f"{name}_probability": [f"{max(a['probabilities'].values()):.4f}" for a in answers],
        }
    if target.kind == "multilabel":
        labels = target.labels if target.column else target.columns
        return {
            name: [
                target.separator.join(n for n, y in zip(labels, row, strict=True) if y) if mask.any() else ""
                for row, mask in zip(true, labelled, strict=True)
            ],
            f"{name}_predicted": [target.separator.join(a["labels"]) for a in answers],
        }
    columns: dict[str, list[Any]] = {}
    for j, column in enumerate(target.columns):
        columns[column] = [float(y[j]) if mask[j] else "" for y, mask in zip(true, labelled, strict=True)]
        columns[f"{column}_predicted"] = [f"{a['value'][j]:.6g}" for a in answers]
    return columns
