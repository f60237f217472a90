"""The progress of each strategy over its trained candidates."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sennit.search.report.figures._style import colours_of, short_label, style_axes
from sennit.search.report.runs import Runs, generations_of, hypervolumes, is_finite, main_of, trained_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_progress(runs: Runs, objectives: Sequence[str]) -> Figure:
    """Plot the best error so far, median errors of generations and, with several objectives, hypervolumes."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    titles = ["best error so far", "median error of a generation"]
    volumes = hypervolumes(runs, objectives) if len(objectives) > 1 else {}
    if volumes:
        titles.append("hypervolume of the front")
    figure = Figure(figsize=(9.6, 3.3), layout="constrained")
    panels = figure.subplots(1, len(titles))
    colours, main = colours_of(runs), main_of(runs)
    for name, records in sorted(runs.items(), key=lambda item: item[0] == main):
        style = {"color": colours[name], "linewidth": 2, "markersize": 4}
        errors = [r.evaluation.error for r in trained_of(records) if is_finite(r)]
        counts = [i for i, r in enumerate(trained_of(records), start=1) if is_finite(r)]
        marker = "o" if len(errors) == 1 else ""
        best = list(itertools.accumulate(errors, min))
        panels[0].plot(counts, best, drawstyle="steps-post", marker=marker, label=short_label(name), **style)
        generations = list(generations_of(records).values())
        trained = list(itertools.accumulate(len(trained_of(g)) for g in generations))
        medians = [
            (x, statistics.median(r.evaluation.error for r in generation if is_finite(r)))
            for x, generation in zip(trained, generations, strict=True)
            if any(is_finite(r) for r in generation)
        ]
        panels[1].plot([x for x, _ in medians], [y for _, y in medians], marker="o", **style)
        if volumes:
            panels[2].plot(trained, volumes[name], marker="o", **style)
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10.5, loc="left")
        axes.set_xlabel("trained candidates")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        style_axes(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=4, frameon=False)
    return figure
