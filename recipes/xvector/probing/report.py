"""The accuracies of probes, and their figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from sennit.recipes.xvector.probing.classifiers import PROBES

_COLOURS = {"linear": "#3b76c4", "mlp": "#d9822b"}
MAJORITY, SHUFFLED, MFCC = "majority", "shuffled labels", "mean MFCC"
_BASELINES = {MAJORITY: ":", SHUFFLED: "-.", MFCC: "--"}


@dataclass(frozen=True)
class Answer:
    """The accuracy of a probe for a label.

    Attributes:
        question: Label.
        tap: Tap that was read, or baseline.
        probe: "linear" or "mlp"; "" for the majority.
        values: Accuracy on each split.
        classes: Number of classes of the label.
        segments: Number of segments.
        split_by: Unit that stays on one side of a split.
    """

    question: str
    tap: str
    probe: str
    values: Sequence[float]
    classes: int
    segments: int
    split_by: str

    @property
    def mean(self) -> float:
        """Mean accuracy over the splits."""
        return float(np.mean(self.values))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a table."""
        return {
            "question": self.question,
            "tap": self.tap,
            "probe": self.probe,
            "accuracy": round(self.mean, 4),
            "std": round(float(np.std(self.values)), 4),
            "classes": self.classes,
            "segments": self.segments,
            "split_by": self.split_by,
        }


def draw(answers: Sequence[Answer]) -> Figure:
    """Draw a panel for each label: accuracy by depth, with the baselines as horizontal lines."""
    names = list(dict.fromkeys(a.question for a in answers))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(panels, names, strict=False):
        of_label = [a for a in answers if a.question == name]
        taps = list(dict.fromkeys(a.tap for a in of_label if a.tap not in _BASELINES))
        for kind in PROBES:
            by_depth = [a for tap in taps for a in of_label if (a.tap, a.probe) == (tap, kind)]
            spread = [float(np.std(a.values)) for a in by_depth]
            line = {"marker": "o", "markersize": 4, "color": _COLOURS[kind]}
            axes.errorbar(range(len(taps)), [a.mean for a in by_depth], spread, label=kind, **line)
        for baseline, style in _BASELINES.items():
            for a in of_label:
                if a.tap == baseline:
                    colour = _COLOURS.get(a.probe, "#9aa5b1")
                    label = baseline if a.probe in ("", "linear") else None
                    axes.axhline(a.mean, linestyle=style, color=colour, linewidth=1, label=label)
        axes.set_title(f"{name} ({of_label[0].classes} classes, split by {of_label[0].split_by})", fontsize=9)
        axes.set_xticks(range(len(taps)), taps, rotation=60, ha="right", fontsize=7)
        axes.set_ylim(0, 1.03)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    return figure


def csv_of(answers: Sequence[Answer]) -> str:
    """Return the accuracies as a CSV file: a line for each label, tap and probe."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(answers[0].to_dict()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(answer.to_dict() for answer in answers)
    return file.getvalue()


def table_of(answers: Sequence[Answer]) -> Table:
    """Return the mean accuracies as a table: a row for each tap and probe, a column for each label."""
    names = list(dict.fromkeys(a.question for a in answers))
    by_place = {(a.question, a.tap, a.probe): a for a in answers}
    table = Table("tap", "probe", *names, title="Accuracy", title_justify="left")
    for tap, kind in dict.fromkeys((a.tap, a.probe) for a in answers):
        table.add_row(tap, kind, *(f"{by_place[name, tap, kind].mean:.3f}" for name in names))
    return table
