"""What a trained model says about the test rows."""

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
from sennit.recipes.table.parts import Parts
from sennit.recipes.table.schema import Schema
from sennit.tasks import MultiTaskModel

from sennit.files import write_text


@dataclass
class Answers:
    """By target, for each row: the answer, the true value, and whether there is one.

    Attributes:
        rows: The number of each row.
        answers: As ``model.predict`` gives them.
        true: The labels.
        known: Which of them are labels.
        metrics: By target; none where too few rows are labelled.
    """

    rows: list[int] = field(default_factory=list)
    answers: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    true: dict[str, np.ndarray] = field(default_factory=dict)
    known: dict[str, np.ndarray] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)


@torch.no_grad()
def answer(model: MultiTaskModel, batches: Iterable[Batch]) -> Answers:
    """Predict batches, and measure the predictions."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()
    found = Answers()
    names = list(model.with_head)
    metrics = {name: model.tasks[name].metrics().to(device) for name in names}
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    for batch in batches:
        moved = batch.to(device)
        found.rows += [] if batch.index is None else batch.index.tolist()
        for name, output in model(moved).items():
            known = moved.labelled[name]
            found.answers.setdefault(name, []).extend(model.tasks[name].predict(output.logits))
            parts[name].append((batch.targets[name].numpy(), batch.labelled[name].numpy()))
            if bool(known.any()):
                task = model.tasks[name]
                task.update_metrics(metrics[name], output.logits, moved.targets[name], known)
    for name, own in parts.items():
        found.true[name], found.known[name] = (np.concatenate(x) for x in zip(*own, strict=True))
        whole = found.known[name].reshape(len(found.rows), -1).all(1).sum()
        if whole >= 2 or (whole and model.tasks[name].kind != "regression"):  # an R² needs two
            found.metrics[name] = {k: float(v) for k, v in metrics[name].compute().items()}
    model.to("cpu")
    return found


def baselines(parts: Parts, found: Answers) -> dict[str, dict[str, float]]:
    """What it takes no input to reach: the commonest class, or the mean, of the training rows."""
    result = {}
    for name, target in parts.schema.targets.items():
        if parts.source is None or name not in found.metrics:
            continue
        labels = [target.value(row) for row in parts.source.rows(parts.rows["train"])]
        known = [label for label in labels if label is not None]
        true, mask = found.true[name], found.known[name]
        if target.kind == "class":
            result[name] = {"accuracy": float((true[mask] == np.bincount(known).argmax()).mean())}
        elif target.kind == "multilabel":
            commonest = np.nanmean(np.array(known), 0) > 0.5
            result[name] = {"accuracy": float((true == commonest)[mask].mean())}
        else:
            error = np.abs(true - np.nanmean(np.array(known), 0))
            result[name] = {"mae": float(error[mask].mean()), "r2": 0.0}
    return result


def write_predictions(path: Path, schema: Schema, found: Answers) -> None:
    """Write one line a row: its number and, for each target, the true and the predicted value."""
    text = io.StringIO()
    writer = csv.writer(text)
    columns = [_columns(name, schema, found) for name in schema.targets]
    writer.writerow(["row", *(title for own in columns for title in own)])
    for i, row in enumerate(found.rows):
        writer.writerow([row, *(values[i] for own in columns for values in own.values())])
    write_text(path, text.getvalue())


def _columns(name: str, schema: Schema, found: Answers) -> dict[str, list[Any]]:
    target: Any = schema.targets[name]
    answers, true, known = found.answers[name], found.true[name], found.known[name]
    if target.kind == "class":
        return {
            name: [target.classes[int(y)] if k else "" for y, k in zip(true, known, strict=True)],
            f"{name}_predicted": [a["label"] for a in answers],
            f"{name}_probability": [f"{max(a['probabilities'].values()):.4f}" for a in answers],
        }
    if target.kind == "multilabel":
        labels = target.labels if target.column else target.columns
        return {
            name: [
                target.separator.join(n for n, y in zip(labels, row, strict=True) if y) if k.any() else ""
                for row, k in zip(true, known, strict=True)
            ],
            f"{name}_predicted": [target.separator.join(a["labels"]) for a in answers],
        }
    columns: dict[str, list[Any]] = {}
    for j, column in enumerate(target.columns):
        columns[column] = [float(y[j]) if k[j] else "" for y, k in zip(true, known, strict=True)]
        columns[f"{column}_predicted"] = [f"{a['value'][j]:.6g}" for a in answers]
    return columns
