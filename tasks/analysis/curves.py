"""Losses, weights and conflicts over a training, from its log."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Curve = tuple[list[int], list[float]]

_LOSS, _COSINE = "", "cosine/"
_PANELS = {
    "weighting/": "weight by the weighting",
    "weight/": "weight by the balancing",
    _COSINE: "cosine of gradients",
    _LOSS: "loss",  # curves without another prefix
}
_SUMS = {"loss", "penalty"}
_COLOURS = ["#3b76c4", "#d9822b", "#2a9d8f", "#8e6bbf", "#c2566b", "#6d8b3c"]
_MOST_NAMES = 12


def draw_curves(folder: str | os.PathLike[str]) -> Figure:
    r"""Draw the tasks' losses, their weights and the cosines between their gradients, step by step.

    There is a panel for each of these that was logged: weights by the weighting, weights by the balancing,
    cosines of pairs of tasks with their mean, losses, and the share of pairs that conflict (cosine below
    zero). Cosines are logged where a balancing is used.

    Args:
        folder: Folder of the run (that of `sennit.tasks.fit`) or its ``metrics.csv``. The file of a
            CSVLogger beside your own Trainer has the same columns.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds no value of a training.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "metrics.csv").write_text(
        ...         "step,train/a,train/b,train/weighting/a,train/weighting/b\n0,2,3,1,1\n9,1,2,1.5,0.5\n"
        ...     )
        ...     figure = draw_curves(folder)
        >>> [axes.get_title(loc="left") for axes in figure.axes]
        ['weight by the weighting', 'loss']
    """
    from matplotlib.figure import Figure

    panels = _panels(_read(Path(folder)))
    figure = Figure(figsize=(7.4, 2.3 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, curves) in zip(grid, panels.items(), strict=True):
        axes.set_prop_cycle(color=_COLOURS)
        for name, (steps, values) in curves.items():
            axes.plot(steps, values, linewidth=1.4, marker="." if len(steps) < 3 else "", label=_plain(name))
        axes.set_title(title, loc="left", fontsize=10.5)
        axes.spines[["top", "right"]].set_visible(False)
        if title == _PANELS[_COSINE]:
            axes.axhline(0, color="#c9ced6", linewidth=1, zorder=0)
        if len(curves) <= _MOST_NAMES:
            axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    grid[-1].set_xlabel("step")
    return figure


def _read(path: Path) -> dict[str, Curve]:
    """Read the training's curves, by name; each has the steps at which a value was logged."""
    path = path / "metrics.csv" if path.is_dir() else path
    curves: dict[str, Curve] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            for column, value in row.items():
                if column.startswith("train/") and value:
                    steps, values = curves.setdefault(column.removeprefix("train/"), ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
    if not curves:
        raise ValueError(
            f"'{path}' should have columns of a training, such as 'train/loss'. Found none with a value."
        )
    return curves


def _panels(curves: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Return the curves of each panel."""
    panels: dict[str, dict[str, Curve]] = {start: {} for start in _PANELS}
    for name, curve in curves.items():
        start = next((start for start in _PANELS if name.startswith(start)), "")
        panels[start][name.removeprefix(start)] = curve
    losses, cosines = panels[_LOSS], panels[_COSINE]
    if losses.keys() - _SUMS:
        panels[_LOSS] = {name: curve for name, curve in losses.items() if name not in _SUMS}
    share = cosines.pop("conflicting", None)
    panels[_COSINE] = {name.replace("/", " and "): curve for name, curve in cosines.items()}
    titled = {_PANELS[start]: panel for start, panel in panels.items() if panel}
    return titled if share is None else titled | {"share of pairs that conflict": {"cosine below 0": share}}


def _plain(name: str) -> str:
    """Return a name that matplotlib neither reads as a formula nor leaves out of the legend."""
    return name.replace("$", r"\$").lstrip("_")
