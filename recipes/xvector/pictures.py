"""Pictures of a run, of its first seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sennit.recipes.xvector.cell import Cell, name_of
from sennit.recipes.xvector.reference import STATISTICS
from sennit.recipes.xvector.scores import lengths_of, read_scores, trials_of
from sennit.tasks.verification import draw_det_curves, draw_embeddings, draw_scores

from sennit.html_page import render

_KIND = "plda"


def pictures(folder: Path, cells: Sequence[Cell], *, p_target: float) -> dict[str, tuple[bytes, str]]:
    """By name a PNG with its caption: DET curves, histograms of scores, maps of embeddings."""
    found: dict[str, tuple[bytes, str]] = {}
    first = [cell for cell in cells if cell["seed"] == 0]
    for normalise in dict.fromkeys(cell["normalise"] for cell in first):
        own = {
            cell_name: cell
            for cell in first
            if cell["normalise"] == normalise
            for cell_name in [name_of(cell)]
        }
        kept = {name: read_scores(folder, cell) for name, cell in own.items()}
        for length in lengths_of(next(iter(kept.values()))):
            curves = {name: trials_of(one, _KIND, length).curve for name, one in kept.items()}
            short = length.replace(" ", "")
            found[f"det-{normalise}-{short}"] = (
                render(draw_det_curves(curves)),
                f"Normalisation {normalise}, segments {length}, PLDA",
            )
            best = next(name for name, cell in own.items() if cell["encoder"] != STATISTICS)
            trials = trials_of(kept[best], _KIND, length)
            llr = trials.calibration.llr(trials.scores)
            threshold = float(np.log((1 - p_target) / p_target))
            found[f"scores-{normalise}-{short}"] = (
                render(draw_scores(llr, trials.same, threshold=threshold)),
                f"Log-likelihood ratios of {best}, normalisation {normalise}, segments {length}, PLDA; "
                f"calibration and threshold are those of development speakers",
            )
        best = next(name for name, cell in own.items() if cell["encoder"] != STATISTICS)
        found[f"embeddings-{normalise}"] = (
            render(_map(kept[best])),
            f"Test utterances, embedded by {best}, normalisation {normalise} (t-SNE)",
        )
    return found


def _map(kept: Mapping[str, np.ndarray]) -> Figure:
    length = lengths_of(kept)[0]
    speaker = kept[f"speaker/{length}"]
    names = kept["speakers"][speaker]
    return draw_embeddings(kept[f"embedding/{length}"], {"speaker": names})


def draw_training(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Equal error rates of development speakers by epoch.

    Args:
        curves: By training, ``[epoch, loss, equal error rate, minimal Cllr]`` at each look.
    """
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, looks in curves.items():
        epoch, _, eer, _ = zip(*looks, strict=True)
        axes.plot(epoch, [100 * rate for rate in eer], marker=".", label=name)
    axes.set(xlabel="epoch", ylabel="development EER (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    return figure
