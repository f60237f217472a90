"""The modalities that are used together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sennit.search.records import Record
from sennit.search.report.figures._style import front_label, short_label
from sennit.search.report.runs import front_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_pairs(records: Sequence[Record], modalities: Sequence[str]) -> Figure:
    """Plot heat maps of how often two modalities are used, or left out, by one fusion."""
    from matplotlib.figure import Figure

    candidates = {"all candidates": records, front_label(records): front_of(records)}
    used = {
        label: np.array([[m in r.genome.used for m in modalities] for r in of_label], dtype=float)
        for label, of_label in candidates.items()
    }
    panels = [(f"used, {label}", _together(marked)) for label, marked in used.items()]
    panels += [(f"left out, {label}", _together(1 - marked)) for label, marked in used.items()]
    rows = 1 if len(modalities) <= 5 else 2
    figure = Figure(figsize=(9.6, 3.0 if rows == 1 else 9.2), layout="constrained")
    names = [short_label(m, 12) for m in modalities]
    for axes, (title, shares) in zip(figure.subplots(rows, 4 // rows, sharey=True).flat, panels, strict=True):
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        for (i, k), share in np.ndenumerate(shares):
            axes.text(
                k, i, f"{share:.0f}", ha="center", va="center", color="white" if share > 60 else "#1b1f24"
            )
        axes.set_yticks(range(len(names)), names)
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right", rotation_mode="anchor")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=10.5)
    return figure


def _together(
    marked: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return, for each pair, the percentage of rows in which both are marked."""
    return 100 * marked.T @ marked / len(marked)
