"""Calibration: whether answers of 80 % are right eight times of ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sennit.recipes.table.report.decided import probabilities, truth
from sennit.recipes.table.report.results import Results

Floats = NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Bin:
    """Answers of about the same probability.

    Attributes:
        low: Lower end of the bin.
        high: Upper end of the bin.
        count: Number of answers in it.
        probability: Their mean probability; 0 without any.
        right: Share of them that is right; 0 without any.
    """

    low: float
    high: float
    count: int
    probability: float
    right: float


def reliability(p: Floats, right: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Return answers in bins of equal width by their probability.

    Args:
        p: Probability of each answer.
        right: Whether it is right.
        bins: Number of bins from 0 to 1.

    Shape:
        p and right ``[N]``.

    Example:
        >>> reliability(np.array([0.9, 0.8, 0.2]), np.array([True, False, False]), bins=2)[1]
        Bin(low=0.5, high=1.0, count=2, probability=0.85, right=0.5)
    """
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    result = []
    for k in range(bins):
        inside = place == k
        count = int(inside.sum())
        mean = [round(float(x[inside].mean()), 6) if count else 0.0 for x in (p, right)]
        result.append(Bin(k / bins, (k + 1) / bins, count, *mean))
    return result


def calibration_error(bins: Sequence[Bin]) -> float:
    """Return the expected calibration error: the mean distance of probability and share, by count.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3.

    Example:
        >>> calibration_error([Bin(0, 0.5, 1, 0.2, 0.0), Bin(0.5, 1, 3, 0.9, 1.0)])
        0.125
    """
    total = sum(b.count for b in bins)
    return round(sum(b.count * abs(b.probability - b.right) for b in bins) / total, 6) if total else 0.0


def calibration(results: Results, name: str) -> dict[str, list[Bin]]:
    """Return the bins of a target's answers, ``"as trained"`` and, with a temperature, ``"calibrated"``.

    An answer is the likeliest class of a row, or that a label is true.
    """
    bins = {"as trained": _bins(results, name, calibrated=False)}
    if results.decisions[name].temperature != 1:
        bins["calibrated"] = _bins(results, name, calibrated=True)
    return bins


def _bins(results: Results, name: str, *, calibrated: bool) -> list[Bin]:
    p = probabilities(results, name, calibrated=calibrated)
    true, counted = truth(results, name)
    if true.ndim == 1:
        p, true = p[counted], true[counted]
        return reliability(p.max(1), p.argmax(1) == true)
    return reliability(p[counted], true[counted] > 0.5)


def calibration_figures(bins: dict[str, list[Bin]]) -> dict[str, object]:
    """Return the errors and bins for machines."""
    return {
        which: {"error": calibration_error(of), "bins": [asdict(b) for b in of if b.count]}
        for which, of in bins.items()
    }


def draw_reliability(axes: Axes, bins: dict[str, list[Bin]]) -> None:
    """Draw the share of right answers by their probability, with the ideal line."""
    axes.plot([0, 1], [0, 1], color="#c9ced6", linewidth=1, zorder=0)
    colours = {"as trained": "#d9822b", "calibrated": "#3b76c4"}
    for which, of in bins.items():
        filled = [b for b in of if b.count]
        sizes = [8 + 60 * b.count / sum(b.count for b in filled) for b in filled]
        x, y = [b.probability for b in filled], [b.right for b in filled]
        label = f"{which}: error {calibration_error(of):.3f}"
        axes.plot(x, y, color=colours[which], linewidth=1.2)
        axes.scatter(x, y, s=sizes, color=colours[which], label=label)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="probability of the answer", ylabel="share that is right")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
