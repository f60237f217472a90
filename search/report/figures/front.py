"""The Pareto fronts of all strategies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sennit.search.pareto import pareto_front
from sennit.search.report.figures._style import colours_of, short_label, style_axes
from sennit.search.report.runs import Runs, is_error, is_finite, main_of, on_log_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_front(runs: Runs, objectives: Sequence[str]) -> Figure:
    """Plot the first objective over the second: candidates as faint dots, the front as a line."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    axes = figure.subplots()
    colours, main = colours_of(runs), main_of(runs)
    costs: list[float] = []
    for name, records in sorted(runs.items(), key=lambda item: item[0] == main):  # the main strategy on top
        points = [(r.values[0], r.values[1]) for r in records if is_finite(r)]
        costs += [x for _, x in points]
        axes.scatter(
            [x for _, x in points], [y for y, _ in points], s=12, alpha=0.2, color=colours[name], lw=0
        )
        best = [points[i] for i in pareto_front(points)]
        axes.plot(
            [x for _, x in best],
            [y for y, _ in best],
            drawstyle="steps-pre",
            marker="o",
            markersize=6,
            markeredgecolor="white",
            color=colours[name],
            label=f"{short_label(name)}: {len(best)} on the front",
            linewidth=2,
        )
    if on_log_scale(objectives[1], costs) and max(costs) > 10 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    for axis, objective in ((axes.yaxis, objectives[0]), (axes.xaxis, objectives[1])):
        if not is_error(objective):
            axis.set_major_formatter(EngFormatter(sep=" "))
    axes.set_xlabel(short_label(objectives[1]))
    axes.set_ylabel(short_label(objectives[0]))
    style_axes(axes)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=3, frameon=False)
    return figure
