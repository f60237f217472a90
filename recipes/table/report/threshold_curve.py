"""Precision, recall and F1 of the second of two classes by the threshold of its probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sennit.recipes.table.report.panels import plain

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdCurve:
    """Rates at each threshold, above which a row is given the second class.

    Attributes:
        thresholds: Thresholds from 0 to 1.
        precision: Share of the rows given the class that have it; 1 where none is given it.
        recall: Share of the rows of the class that are given it.
        f1: Harmonic mean of both.
        accuracy: Share of all rows that are given their class.
    """

    thresholds: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    accuracy: Floats

    def at(self, threshold: float) -> dict[str, float]:
        """Return the rates at the nearest threshold.

        Example:
            >>> curve = threshold_curve(np.array([0.2, 0.6, 0.7]), np.array([False, False, True]))
            >>> curve.at(0.65)
            {'precision': 1.0, 'recall': 1.0, 'f1': 1.0, 'accuracy': 1.0}
        """
        k = int(np.abs(self.thresholds - threshold).argmin())
        names = ("precision", "recall", "f1", "accuracy")
        return {name: round(float(getattr(self, name)[k]), 6) for name in names}


def threshold_curve(p: Floats, true: NDArray[np.bool_], steps: int = 200) -> ThresholdCurve:
    """Return the rates at evenly spaced thresholds.

    Args:
        p: Probability of the second class.
        true: Whether a row is of that class.
        steps: Number of steps from 0 to 1.

    Shape:
        p and true ``[N]``.
    """
    thresholds = np.linspace(0, 1, steps + 1)
    chosen = p > thresholds[:, None]
    hits, given = (chosen & true).sum(1), chosen.sum(1)
    precision = np.where(given > 0, hits / np.maximum(given, 1), 1.0)
    recall = hits / max(1, int(true.sum()))
    f1 = 2 * hits / np.maximum(given + true.sum(), 1)
    return ThresholdCurve(thresholds, precision, recall, f1, (chosen == true).mean(1))


def draw_threshold_curve(axes: Axes, curve: ThresholdCurve, chosen: float, name: str) -> None:
    """Draw the rates, and the chosen threshold as a line.

    Args:
        axes: Axes.
        curve: Rates by threshold.
        chosen: Threshold of the answers.
        name: Name of the second class.
    """
    colours = {"precision": "#3b76c4", "recall": "#d9822b", "f1": "#2a9d8f"}
    for rate, colour in colours.items():
        axes.plot(curve.thresholds, getattr(curve, rate), color=colour, label=rate.replace("f1", "F1"))
    axes.axvline(chosen, color="#57606a", linewidth=1, linestyle="--", label=f"chosen: {chosen:.3g}")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=f"answer «{plain(name)}» above this probability")
    axes.legend(frameon=False, fontsize=8)
