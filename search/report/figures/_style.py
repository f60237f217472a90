"""Colours and words that the pictures share."""

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
    """Blue for the strategy that the report is about, grey for random search."""
    others = [name for name in runs if name not in (main_of(runs), RANDOM)]
    found = {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}
    return {RANDOM: GREY, main_of(runs): BLUE, **found}


def stages_of(records: Sequence[Record]) -> dict[str, Sequence[Record]]:
    """The start and the end of a search, which tell what survived, and what it found."""
    generations = list(generations_of(records).values())
    front = {words_of_front(records): front_of(records)}
    if len(generations) == 1:
        return {"all candidates": records, **front}
    quarter = math.ceil(len(generations) / 4)
    what = "generation" if quarter == 1 else f"{quarter} generations"
    first = [r for own in generations[:quarter] for r in own]
    last = [r for own in generations[-quarter:] for r in own]
    return {f"first {what}": first, f"last {what}": last, **front}


def words_of_front(records: Sequence[Record]) -> str:
    """What to call those that no other beats."""
    return "Pareto front" if len(records[0].values) > 1 else "lowest value"


def word(name: str, most: int = 22) -> str:
    """A name as matplotlib shows it: not too long, and never read as a formula."""
    shown = "".join(c if c.isprintable() else " " for c in name)
    shown = shown if len(shown) <= most else f"{shown[: most - 1]}…"
    return shown.replace("$", r"\$")


def plain(axes: Axes) -> None:
    """No frame above and on the right, and a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eceff2", linewidth=0.8)
    axes.set_axisbelow(True)
