"""A bar chart: a bar for each method, a panel for each task and protocol."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sennit.recipes.harness.table import Columns, TableRow, find, methods_of

COLOURS = {
    "single": "#9aa5b1",
    "early": "#8e6bbf",
    "intermediate": "#3b76c4",
    "late": "#2a9d8f",
    "decision": "#d9822b",
    "sharing": "#3b76c4",
    "search": "#c2456b",
    "reference": "#c9ced6",
}


def bars(rows: Sequence[TableRow], columns: Columns) -> Figure:
    """Draw means as bars, coloured by stage, with one standard deviation."""
    methods = methods_of(rows)
    figure = Figure(figsize=(4.2 * len(columns) + 2.5, 0.36 * len(methods) + 1.3))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (column, text) in zip(panels, columns.items(), strict=True):
        entries = [find(rows, name, column) for _, name, _ in methods]
        axes.barh(
            range(len(methods)),
            [r.mean if r else 0 for r in entries],
            xerr=[r.std if r else 0 for r in entries],
            height=0.7,
            color=[COLOURS[group] for group, _, _ in methods],
            error_kw={"elinewidth": 1.2},
        )
        right = max((r.mean + r.std for r in entries if r), default=1.0)
        for place, row in enumerate(entries):
            text_of = f"{row.mean:.3f}" if row else "–"
            axes.text(
                (row.mean + row.std if row else 0) + 0.01 * right, place, text_of, va="center", fontsize=8
            )
        axes.set_xlim(min(0, *(r.mean for r in entries if r)), 1.16 * right)
        axes.set_title(text, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(methods)), [name for _, name, _ in methods])
    panels[0].invert_yaxis()
    stages = dict.fromkeys(group for group, _, _ in methods)
    handles = [Patch(color=COLOURS[stage], label=stage) for stage in stages]
    figure.legend(handles=handles, loc="lower center", ncols=len(stages), frameon=False, fontsize=9)
    figure.tight_layout(rect=(0, 0.28 / figure.get_figheight(), 1, 1))
    return figure
