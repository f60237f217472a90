"""The report of a run: what was found in the data, and how well the test rows are predicted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sennit.recipes.harness import Picture, draw_model, write_report
from sennit.recipes.table.evaluate import Answers
from sennit.recipes.table.parts import Parts
from sennit.tasks import MultiTaskModel
from sklearn.metrics import confusion_matrix

from sennit.html_page import Block, Grid, Heading, Text

_MANY = 25  # classes, above which a confusion matrix is drawn without numbers


def report(
    path: Path,
    parts: Parts,
    model: MultiTaskModel,
    found: Answers | None,
    baseline: Mapping[str, Mapping[str, float]],
    notes: list[str],
) -> None:
    """Write ``report.html``."""
    blocks: list[Block] = []
    if found is not None and found.metrics:
        blocks += [Heading("Test rows"), results(found, baseline)]
        for name in found.metrics:
            drawn = _draw(name, parts, found)
            if drawn is not None:
                blocks.append(drawn)
    blocks += [Heading("Data"), _counts(parts), *[Text(note) for note in notes]]
    blocks += [Heading("Model"), Picture(draw_model(model), "From input to loss")]
    write_report(path, title=f"A model of {', '.join(parts.schema.targets)}", blocks=blocks)


def results(found: Answers, baseline: Mapping[str, Mapping[str, float]]) -> Grid:
    """A line for each target and metric."""
    lines = []
    for name, metrics in found.metrics.items():
        labelled = int(found.known[name].reshape(len(found.rows), -1).any(1).sum())
        for metric, value in metrics.items():
            plain = baseline.get(name, {}).get(metric)
            shown = "" if plain is None else f"{plain:.4g}"
            lines.append([name, metric, f"{value:.4g}", shown, str(labelled)])
    return Grid(["target", "metric", "test rows", "without any input", "labelled rows"], lines)


def _counts(parts: Parts) -> Grid:
    if parts.source is None:
        return Grid(["part", "rows"], [[part, str(size)] for part, size in parts.sizes.items()])
    schema: Any = parts.schema
    given = {**schema.inputs, **schema.targets}
    lines = []
    for part, rows in parts.rows.items():
        there = [
            sum(any(row.text(c) is not None for c in own.column_names) for row in parts.source.rows(rows))
            for own in given.values()
        ]
        lines.append([part, str(len(rows)), *map(str, there)])
    return Grid(["part", "rows", *(f"with {name}" for name in given)], lines)


def _draw(name: str, parts: Parts, found: Answers) -> Picture | None:
    target: Any = parts.schema.targets[name]
    known, true = found.known[name], found.true[name]
    if target.kind == "class":
        guessed = [target.classes.index(a["label"]) for a in found.answers[name]]
        return Picture(
            _confusion(true[known], np.array(guessed)[known], target.classes),
            f"{name}: true classes (rows) and predicted ones, in numbers of test rows",
        )
    if target.kind == "number":
        values = np.array([a["value"] for a in found.answers[name]])
        return Picture(_scatter(true, values, known, target.columns), f"{name}: test rows")
    return None


def _confusion(true: np.ndarray, guessed: np.ndarray, classes: list[str]) -> Figure:
    counts = confusion_matrix(true, guessed, labels=range(len(classes)))
    side = min(10.0, 2.5 + 0.4 * len(classes))
    figure = Figure(figsize=(side, side))
    axes = figure.subplots()
    axes.imshow(counts, cmap="Blues")
    if len(classes) <= _MANY:
        for i, j in zip(*counts.nonzero(), strict=True):
            colour = "white" if counts[i, j] > counts.max() / 2 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def _scatter(true: np.ndarray, guessed: np.ndarray, known: np.ndarray, columns: list[str]) -> Figure:
    figure = Figure(figsize=(4.2 * len(columns), 4))
    for j, (axes, column) in enumerate(
        zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True)
    ):
        x, y = true[known[:, j], j], guessed[known[:, j], j]
        axes.plot(x, y, ".", color="#3b76c4")
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        axes.plot([low, high], [low, high], color="#8c959f", linewidth=1)
        axes.set_xlabel(f"{column}, true")
        axes.set_ylabel("predicted")
    return figure
