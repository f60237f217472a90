"""The report of a run: remarks about the data, and how well the test rows are predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sennit.recipes.harness import Picture, draw_model, write_report
from sennit.recipes.table.evaluate import Answers
from sennit.recipes.table.rows import Rows
from sennit.recipes.table.schema import Schema
from sennit.recipes.table.shards import Shards
from sennit.tasks import MultiTaskModel
from sklearn.metrics import confusion_matrix

from sennit.html_page import Block, Grid, Heading, Text

_MAX_NUMBERED = 25  # classes of a confusion matrix with numbers


def report(
    path: Path,
    schema: Schema,
    rows: Rows | Shards,
    model: MultiTaskModel,
    test: Answers | None,
    baseline: Mapping[str, Mapping[str, float]],
    notes: Sequence[str],
) -> None:
    """Write ``report.html``."""
    blocks: list[Block] = []
    if test is not None and test.metrics:
        blocks += [Heading("Test rows"), results(test, baseline)]
        blocks += [picture for name in test.metrics if (picture := _draw(name, schema, test)) is not None]
    blocks += [Heading("Data"), _counts(schema, rows), *[Text(note) for note in notes]]
    blocks += [Heading("Model"), Picture(draw_model(model), "From input to loss")]
    write_report(path, title=f"A model of {', '.join(schema.targets)}", blocks=blocks)


def results(test: Answers, baseline: Mapping[str, Mapping[str, float]]) -> Grid:
    """Return a line for each target and metric."""
    lines = []
    for name, metrics in test.metrics.items():
        labelled = int(test.labelled[name].reshape(len(test.rows), -1).any(1).sum())
        for metric, value in metrics.items():
            plain = baseline.get(name, {}).get(metric)
            shown = "" if plain is None else f"{plain:.4g}"
            lines.append([name, metric, f"{value:.4g}", shown, str(labelled)])
    return Grid(["target", "metric", "test rows", "without any input", "labelled rows"], lines)


def _counts(schema: Schema, rows: Rows | Shards) -> Grid:
    """Return the number of rows in each subset and, for a table, of those that have each input and label."""
    if isinstance(rows, Shards):
        return Grid(["subset", "rows"], [[name, str(size)] for name, size in rows.sizes.items()])
    specs = {**schema.inputs, **schema.targets}
    lines = []
    for subset, size in rows.sizes.items():
        counts = [
            sum(any(row.text(c) is not None for c in spec.column_names) for row in rows.subset(subset))
            for spec in specs.values()
        ]
        lines.append([subset, str(size), *map(str, counts)])
    return Grid(["subset", "rows", *(f"with {name}" for name in specs)], lines)


def _draw(name: str, schema: Schema, test: Answers) -> Picture | None:
    target: Any = schema.targets[name]
    labelled, true = test.labelled[name], test.true[name]
    if target.kind == "class":
        predicted = [target.classes.index(a["label"]) for a in test.answers[name]]
        return Picture(
            _confusion(true[labelled], np.array(predicted)[labelled], target.classes),
            f"{name}: true classes (rows) and predicted ones, in numbers of test rows",
        )
    if target.kind == "number":
        values = np.array([a["value"] for a in test.answers[name]])
        return Picture(_scatter(true, values, labelled, target.columns), f"{name}: test rows")
    return None


def _confusion(true: np.ndarray, predicted: np.ndarray, classes: list[str]) -> Figure:
    counts = confusion_matrix(true, predicted, labels=range(len(classes)))
    side = min(10.0, 2.5 + 0.4 * len(classes))
    figure = Figure(figsize=(side, side))
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    if len(classes) <= _MAX_NUMBERED:
        for i, j in zip(*counts.nonzero(), strict=True):
            colour = "white" if counts[i, j] > counts.max() / 2 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def _scatter(true: np.ndarray, predicted: np.ndarray, labelled: np.ndarray, columns: list[str]) -> Figure:
    figure = Figure(figsize=(4.2 * len(columns), 4))
    for j, (axes, column) in enumerate(
        zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True)
    ):
        x, y = true[labelled[:, j], j], predicted[labelled[:, j], j]
        axes.plot(x, y, ".", color="#3b76c4")
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        axes.plot([low, high], [low, high], color="#8c959f", linewidth=1)
        axes.set_xlabel(f"{column}, true")
        axes.set_ylabel("predicted")
    return figure
