"""The training: its curves, the kept epoch, and the scores of the validation rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from sennit.html_page import Block, Grid, Heading, Picture, Text
from sennit.recipes.table.report.panels import panel, plain
from sennit.recipes.table.report.part import Part
from sennit.recipes.table.report.results import Results
from sennit.recipes.table.report.scores import finite, shown

_COLOURS = ["#3b76c4", "#d9822b", "#2a9d8f", "#8e6bbf", "#c2566b", "#6d8b3c"]
_MOST_CURVES = 6


def training_part(results: Results) -> Part:
    """Return the curves of the training, and the scores of the validation rows."""
    record, fitted = results.record, results.record.fitted
    blocks: list[Block] = [Heading("Training"), Text(" ".join(_sentences(results)))]
    if len(record.curve) > 1:
        losses = {
            "training": _values(record.curve, "train/loss"),
            "validation": _values(record.curve, "val/loss"),
        }
        figure, axes = panel("Loss")
        _draw(axes, losses, record.kept, "loss")
        blocks.append(Picture(figure, "Loss by epoch"))
        scores = {
            name: _values(record.curve, f"val/{name}/{target.monitored}")
            for name, target in results.schema.targets.items()
        }
        if any(scores.values()):
            figure, axes = panel("Validation score")
            _draw(axes, scores, record.kept, "score")
            metrics = ", ".join(
                f"{n}: {t.monitored.replace('_', ' ')}" for n, t in results.schema.targets.items()
            )
            blocks.append(Picture(figure, f"Scores of the validation rows by epoch; {metrics}"))
    figures = {
        "training": {
            "monitor": record.monitor,
            "kept_epoch": None if record.kept is None else record.kept + 1,
            "epochs": fitted.epochs,
            "steps": fitted.steps,
        }
    }
    if results.validation is not None and results.validation.metrics:
        scored = results.validation.metrics
        lines = [
            [n, m.replace("_", " "), shown(v)] for n, values in scored.items() for m, v in values.items()
        ]
        blocks += [
            Text("Scores of the validation rows, which chose the epoch and are therefore too good:"),
            Grid(["target", "metric", "validation rows"], lines),
        ]
        return Part(blocks, {**figures, "validation": {n: finite(v) for n, v in scored.items()}})
    return Part(blocks, figures)


def _sentences(results: Results) -> list[str]:
    record, fitted = results.record, results.record.fitted
    said = [f"{fitted.epochs} epoch{'s' * (fitted.epochs != 1)}, {fitted.steps} steps."]
    if record.kept is not None:
        last = ", the last" if record.kept + 1 == len(record.curve) else ""
        said.append(f"Epoch {record.kept + 1} is kept{last}: the best by {record.monitor}.")
    elif record.monitor is None:
        said.append("The last epoch is kept: no validation rows have labels.")
    if not math.isnan(fitted.waiting):
        said.append(f"Waiting for data took {fitted.waiting:.1%} of the time.")
    return said


def _values(curve: Sequence[Mapping[str, float]], name: str) -> list[tuple[int, float]]:
    """Return the epochs, counted from 1, in which a value was logged, and the values."""
    return [(k + 1, values[name]) for k, values in enumerate(curve) if name in values]


def _draw(axes: Axes, curves: Mapping[str, list[tuple[int, float]]], kept: int | None, label: str) -> None:
    drawn = [(name, points) for name, points in curves.items() if points][:_MOST_CURVES]
    for (name, points), colour in zip(drawn, _COLOURS, strict=False):
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=colour, linewidth=1.4, marker=".", markersize=4, label=plain(name))
    if kept is not None:
        axes.axvline(kept + 1, color="#57606a", linewidth=1, linestyle="--", label=f"kept: epoch {kept + 1}")
    axes.set(xlabel="epoch", ylabel=label)
    axes.legend(frameon=False, fontsize=8)
