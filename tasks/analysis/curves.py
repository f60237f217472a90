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
    _LOSS: "loss",  # all that has no other prefix
}
_SUMS = {"loss", "penalty"}
_COLOURS = ["#3b76c4", "#d9822b", "#2a9d8f", "#8e6bbf", "#c2566b", "#6d8b3c"]
_MOST_NAMES = 12


def draw_curves(folder: str | os.PathLike[str]) -> Figure:
    r"""How the tasks' losses, their weights and the cosines between their gradients went, step by step.

    A panel for each of these that was logged: weights by the weighting, weights by the balancing, cosines
    of pairs of tasks with their mean, losses, and the share of pairs that conflict (cosine below zero).
    Cosines are logged where a balancing is used.

    Args:
        folder: Of the run, as `sennit.tasks.fit` was given it, or its ``metrics.csv``; a CSVLogger's of a
        Trainer
            of your own has the same columns.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Nothing in it is of a training.

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
    """What was logged of the training, by name; each curve where it has a value."""
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
    """The curves of each panel."""
    panels: dict[str, dict[str, Curve]] = {start: {} for start in _PANELS}
    for name, curve in curves.items():
        start = next((start for start in _PANELS if name.startswith(start)), "")
        panels[start][name.removeprefix(start)] = curve
    losses, cosines = panels[_LOSS], panels[_COSINE]
    if losses.keys() - _SUMS:
        panels[_LOSS] = {name: curve for name, curve in losses.items() if name not in _SUMS}
    share = cosines.pop("conflicting", None)
    panels[_COSINE] = {name.replace("/", " and "): curve for name, curve in cosines.items()}
    found = {_PANELS[start]: own for start, own in panels.items() if own}
    return found if share is None else found | {"share of pairs that conflict": {"cosine below 0": share}}


def _plain(name: str) -> str:
    """A name that matplotlib does not read as a formula, nor leaves out of the legend."""
    return name.replace("$", r"\$").lstrip("_")
