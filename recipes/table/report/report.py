"""The report of a run: remarks about the data, and how well the test rows are predicted."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from sklearn.metrics import confusion_matrix

from sennit.files import write_json
from sennit.html_page import Grid, Heading, Picture, Text, write_report
from sennit.recipes.harness import command, draw_model, provenance
from sennit.recipes.table.data.shards import Shards
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.baselines import baselines
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.predictions import write_predictions
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.schema.inputs import Input
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.schema.targets import Target
from sennit.tasks import Evaluation, MultiTaskModel

_MAX_NUMBERED = 25  # classes of a confusion matrix with numbers


def report(results: Results) -> None:
    """Write ``report.html``, ``metrics.json`` and, where there are test rows, ``predictions.csv``.

    Args:
        results: Results of the run.
    """
    parts = [_test_rows(results), _data(results), _model(results)]
    title = f"A model of {', '.join(results.schema.targets)}"
    figures = {key: value for part in parts for key, value in part.figures.items()}
    write_json(results.folder / "metrics.json", {**provenance(), **figures})
    write_report(
        results.folder / "report.html", title=title, blocks=[block for part in parts for block in part.blocks]
    )
    if results.test is not None:
        write_predictions(results.folder / "predictions.csv", results.schema, results.model, results.test)


def _test_rows(results: Results) -> Part:
    test, schema, model = results.test, results.schema, results.model
    if test is None:
        return Part(figures={"test": None, "not_scored": None, "without_any_input": {}})
    baseline = baselines(schema, results.rows, test)
    grid = _scores(test, baseline)
    _print(grid)
    figures = {
        "test": {name: _finite(values) for name, values in test.metrics.items()},
        "not_scored": dict(test.excluded),
        "without_any_input": baseline,
    }
    pictures = [p for name in test.metrics if (p := _draw(name, schema, model, test)) is not None]
    return Part([Heading("Test rows"), grid, *pictures] if test.metrics else [], figures)


def _data(results: Results) -> Part:
    counts = _counts(results.schema, results.rows)
    fitted = results.record.fitted
    notes = [*results.notes, f"Waited for data {fitted.waiting:.1%} of the training time.", command()]
    plain = {k: v for k, v in dataclasses.asdict(fitted).items() if not isinstance(v, Path)}
    return Part(
        [Heading("Data"), counts, *[Text(note) for note in notes]],
        {"rows": results.rows.sizes, "fitted": plain},
    )


def _model(results: Results) -> Part:
    return Part([Heading("Model"), Picture(draw_model(results.model), "From input to loss")])


def _finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Return metrics with None for those that too few rows leave undefined."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}


def _print(grid: Grid) -> None:
    table = Table(*grid.header)
    for line in grid.rows:
        table.add_row(*line)
    Console().print(table)


def _scores(test: Evaluation, baseline: Mapping[str, Mapping[str, float]]) -> Grid:
    """Return a line for each target and metric."""
    lines = []
    for name, metrics in test.metrics.items():
        labelled = int(test.answers[name].counted.reshape(len(test.index), -1).any(1).sum())
        for metric, value in metrics.items():
            plain = baseline.get(name, {}).get(metric)
            shown = "" if plain is None else f"{plain:.4g}"
            lines.append([name, metric, f"{value:.4g}", shown, str(labelled)])
    return Grid(["target", "metric", "test rows", "without any input", "labelled rows"], lines)


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


def _draw(name: str, schema: Schema, model: MultiTaskModel, test: Evaluation) -> Picture | None:
    target: Any = schema.targets[name]
    predicted = model.tasks[name].predict(test.answers[name].logits)
    true, counted = test.answers[name].targets.numpy(), test.answers[name].counted.numpy()
    if target.kind == "class":
        classes = np.array([target.classes.index(a["label"]) for a in predicted])
        return Picture(
            _confusion(true[counted], classes[counted], target.classes),
            f"{name}: true classes (rows) and predicted ones, in numbers of test rows",
        )
    if target.kind == "number":
        values = np.array([a["value"] for a in predicted])
        return Picture(_scatter(true, values, counted, target.columns), f"{name}: test rows")
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


def _scatter(true: np.ndarray, predicted: np.ndarray, counted: np.ndarray, columns: list[str]) -> Figure:
    figure = Figure(figsize=(4.2 * len(columns), 4))
    for j, (axes, column) in enumerate(
        zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True)
    ):
        x, y = true[counted[:, j], j], predicted[counted[:, j], j]
        axes.plot(x, y, ".", color="#3b76c4")
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        axes.plot([low, high], [low, high], color="#8c959f", linewidth=1)
        axes.set_xlabel(f"{column}, true")
        axes.set_ylabel("predicted")
    return figure
