"""How far each strategy got, by what it had paid for."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sennit.search.report.figures._style import colours_of, plain, word
from sennit.search.report.runs import Runs, generations_of, hypervolumes, is_finite, main_of, paid_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_progress(runs: Runs, objectives: Sequence[str]) -> Figure:
    """Best error so far, median error of each generation, and hypervolume where there are two objectives."""
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
        errors = [r.evaluation.error for r in paid_for(records) if is_finite(r)]
        places = [i for i, r in enumerate(paid_for(records), start=1) if is_finite(r)]
        marker = "o" if len(errors) == 1 else ""
        best = list(itertools.accumulate(errors, min))
        panels[0].plot(places, best, drawstyle="steps-post", marker=marker, label=word(name), **style)
        generations = list(generations_of(records).values())
        paid = list(itertools.accumulate(len(paid_for(own)) for own in generations))
        medians = [
            (x, statistics.median(r.evaluation.error for r in own if is_finite(r)))
            for x, own in zip(paid, generations, strict=True)
            if any(is_finite(r) for r in own)
        ]
        panels[1].plot([x for x, _ in medians], [y for _, y in medians], marker="o", **style)
        if volumes:
            panels[2].plot(paid, volumes[name], marker="o", **style)
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=10.5, loc="left")
        axes.set_xlabel("candidates paid for")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        plain(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=4, frameon=False)
    return figure
