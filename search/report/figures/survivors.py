"""The choices that a search kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sennit.fusion.cell.genome import Cell, Genome
from sennit.search.flat_genes import NONE
from sennit.search.records import Record
from sennit.search.report.figures._style import BLUE, LIGHT, ORANGE, short_label, stages_of, style_axes
from sennit.search.space import Space

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ACROSS = 3
_MARKS = ({"marker": "o", "color": LIGHT}, {"marker": "o", "color": BLUE}, {"marker": "D", "color": ORANGE})


def plot_survivors(records: Sequence[Record], space: Space) -> Figure:
    """Plot the share of each operator, activation, merge and tap at the start, the end and on the front."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    stages = stages_of(records)
    marks = _MARKS if len(stages) == 3 else _MARKS[1:]
    genomes = [[r.genome for r in stage] for stage in stages.values()]
    panels = [(title, [_percent(title, stage, space) for stage in genomes]) for title in _titles(space)]
    rows = [panels[i : i + _ACROSS] for i in range(0, len(panels), _ACROSS)]
    heights = [0.27 * max(len(shares[0]) for _, shares in row) + 0.75 for row in rows]
    figure = Figure(figsize=(9.6, sum(heights) + 0.4), layout=ConstrainedLayoutEngine(h_pad=0.12))
    grid = figure.subplots(len(rows), _ACROSS, squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, line in zip(rows, grid, strict=True):
        most = max(len(shares[0]) for _, shares in row)
        for axes in line[len(row) :]:
            axes.set_visible(False)
        for axes, (title, shares) in zip(line, row, strict=False):
            names = list(shares[0])
            if len(stages) == 3:
                axes.hlines(range(len(names)), shares[0].values(), shares[1].values(), color=LIGHT, lw=2)
            for percents, mark, label in zip(shares, marks, stages, strict=True):
                axes.scatter(percents.values(), range(len(names)), s=34, label=label, zorder=3, **mark)
            axes.set_yticks(range(len(names)), [short_label(n, 16) for n in names])
            axes.set_ylim(most - 0.4, -0.6)
            axes.set_xlim(-4, 104)
            axes.set_xticks([0, 50, 100], ["0", "50", "100 %"])
            axes.set_title(
                short_label(": ".join(text for text in reversed(title) if text), 40),
                fontsize=10.5,
                loc="left",
            )
            style_axes(axes)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, frameon=False)
    return figure


def _titles(space: Space) -> list[tuple[str, str]]:
    return [("operator", ""), ("activation", ""), ("merge", ""), *(("tap", m) for m in space.modalities)]


def _percent(title: tuple[str, str], genomes: Sequence[Genome], space: Space) -> dict[str, float]:
    """Return the percentage of each choice, of cells for operators and activations, else of genomes."""
    kind, modality = title
    if kind == "merge":
        return _shares([{g.merge} for g in genomes], space.merges)
    if kind == "tap":
        reads = [
            {tap for cell in g.cells for m, tap in cell.inputs if m == modality} or {NONE} for g in genomes
        ]
        return _shares(reads, (*space.taps[modality], NONE))
    if kind == "activation":
        return _shares([{cell.activation} for g in genomes for cell in g.cells], space.activations)
    return _shares([{cell.operator} for g in genomes for cell in _combining(g)], space.operators)


def _combining(genome: Genome) -> list[Cell]:
    """Return the cells with more than one input; in the others the operator has no effect."""
    return [cell for i, cell in enumerate(genome.cells) if len(cell.inputs) + (i > 0) > 1]


def _shares(chosen: Sequence[set[str]], choices: Sequence[str]) -> dict[str, float]:
    if not chosen:
        return dict.fromkeys(choices, math.nan)
    return {c: 100 * sum(c in names for names in chosen) / len(chosen) for c in choices}
