"""Pictures of true and predicted values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from sennit.recipes.table.report.panels import plain

_MAX_NUMBERED, _MAX_NAMED = 25, 60  # classes of a matrix with numbers, and with names


def draw_confusion(
    axes: Axes, true: NDArray[np.int64], predicted: NDArray[np.int64], classes: Sequence[str]
) -> None:
    """Draw the number of rows by true and by predicted class."""
    counts = confusion_matrix(true, predicted, labels=range(len(classes)))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= _MAX_NUMBERED:
        for i, j in zip(*counts.nonzero(), strict=True):
            colour = "white" if shares[i, j] > 0.5 else "black"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=8, color=colour)
    if len(classes) <= _MAX_NAMED:
        names, places = [plain(name) for name in classes], range(len(classes))
        long = max(map(len, names)) > 4
        axes.set_xticks(places, names, rotation=45 if long else 0, ha="right" if long else "center")
        axes.set_yticks(places, names)
    axes.set(xlabel="answer", ylabel="true class")


def draw_scatter(axes: Axes, true: NDArray[Any], predicted: NDArray[Any], name: str) -> None:
    """Draw predicted numbers over true ones, with the ideal line."""
    axes.plot(true, predicted, ".", color="#3b76c4", markersize=5, alpha=0.6, markeredgewidth=0)
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    axes.plot([low, high], [low, high], color="#8c959f", linewidth=1)
    axes.set(xlabel=f"{plain(name)}, true", ylabel="answer")
