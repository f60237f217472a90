"""Colours and labels that the figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sennit.search.records import Record
from sennit.search.report.runs import RANDOM, Runs, front_of, generations_of, main_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREY, LIGHT, ORANGE = "#3b76c4", "#9aa5b1", "#c9ced6", "#d9822b"
_OTHERS = ("#2a9d8f", "#d9822b", "#8e6bbf", "#c2566b", "#6d8b3c")


def colours_of(runs: Runs) -> dict[str, str]:
    """Return a colour for each strategy: blue for the main one, grey for random search."""
    others = [name for name in runs if name not in (main_of(runs), RANDOM)]
    of_others = {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}
    return {RANDOM: GREY, main_of(runs): BLUE, **of_others}


def stages_of(records: Sequence[Record]) -> dict[str, Sequence[Record]]:
    """Return the candidates at the start and at the end of a search, and those on its front."""
    generations = list(generations_of(records).values())
    front = {front_label(records): front_of(records)}
    if len(generations) == 1:
        return {"all candidates": records, **front}
    quarter = math.ceil(len(generations) / 4)
    label = "generation" if quarter == 1 else f"{quarter} generations"
    first = [r for generation in generations[:quarter] for r in generation]
    last = [r for generation in generations[-quarter:] for r in generation]
    return {f"first {label}": first, f"last {label}": last, **front}


def front_label(records: Sequence[Record]) -> str:
    """Return the label of the non-dominated candidates."""
    return "Pareto front" if len(records[0].values) > 1 else "lowest value"


def short_label(name: str, most: int = 22) -> str:
    """Return a name for matplotlib: shortened, and never read as a formula."""
    shown = "".join(c if c.isprintable() else " " for c in name)
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}…"
    return shown.replace("$", r"\$")


def style_axes(axes: Axes) -> None:
    """Remove the frame above and on the right, and draw a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eceff2", linewidth=0.8)
    axes.set_axisbelow(True)
