"""Small figures of one size, two of which stand side by side on a wide page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def panel(title: str = "", *, width: float = 3.3, height: float = 3.0) -> tuple[Figure, Axes]:
    """Return a figure of one panel, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    return figure, axes


def plain(name: str, longest: int = 18) -> str:
    r"""Return a name as matplotlib shows it: shortened, and no formula.

    Example:
        >>> plain("a$b"), plain("abcdef", 4)
        ('a\\$b', 'abc…')
    """
    short = name if len(name) <= longest else f"{name[: longest - 1]}…"
    return short.replace("$", r"\$")
