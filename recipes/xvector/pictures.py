"""Figures of a run's first seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sennit.html_page import render
from sennit.recipes.xvector.job import Job, name_of
from sennit.recipes.xvector.reference import STATISTICS
from sennit.recipes.xvector.scores import lengths_of, read_scores, trials_of
from sennit.tasks.verification import draw_det_curves, draw_embeddings, draw_scores

_KIND = "plda"


def pictures(folder: Path, jobs: Sequence[Job], *, p_target: float) -> dict[str, tuple[bytes, str]]:
    """Return PNGs with captions, by name: DET curves, histograms of scores, maps of embeddings."""
    drawn: dict[str, tuple[bytes, str]] = {}
    first = [job for job in jobs if job["seed"] == 0]
    for normalise in dict.fromkeys(job["normalise"] for job in first):
        systems = {name_of(job): job for job in first if job["normalise"] == normalise}
        kept = {name: read_scores(folder, job) for name, job in systems.items()}
        for length in lengths_of(next(iter(kept.values()))):
            curves = {name: trials_of(one, _KIND, length).curve for name, one in kept.items()}
            short = length.replace(" ", "")
            drawn[f"det-{normalise}-{short}"] = (
                render(draw_det_curves(curves)),
                f"Normalisation {normalise}, segments {length}, PLDA",
            )
            best = next(name for name, job in systems.items() if job["encoder"] != STATISTICS)
            trials = trials_of(kept[best], _KIND, length)
            llr = trials.calibration.llr(trials.scores)
            threshold = float(np.log((1 - p_target) / p_target))
            drawn[f"scores-{normalise}-{short}"] = (
                render(draw_scores(llr, trials.same, threshold=threshold)),
                f"Log-likelihood ratios of {best}, normalisation {normalise}, segments {length}, PLDA; "
                f"calibration and threshold are those of development speakers",
            )
        best = next(name for name, job in systems.items() if job["encoder"] != STATISTICS)
        drawn[f"embeddings-{normalise}"] = (
            render(_map(kept[best])),
            f"Test utterances, embedded by {best}, normalisation {normalise} (t-SNE)",
        )
    return drawn


def _map(kept: Mapping[str, np.ndarray]) -> Figure:
    length = lengths_of(kept)[0]
    speaker = kept[f"speaker/{length}"]
    names = kept["speakers"][speaker]
    return draw_embeddings(kept[f"embedding/{length}"], {"speaker": names})


def draw_training(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Draw equal error rates of development speakers by epoch.

    Args:
        curves: Rows ``[epoch, loss, equal error rate, minimal Cllr]`` of each training.
    """
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, rows in curves.items():
        epoch, _, eer, _ = zip(*rows, strict=True)
        axes.plot(epoch, [100 * rate for rate in eer], marker=".", label=name)
    axes.set(xlabel="epoch", ylabel="development EER (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", frameon=False, fontsize=8)
    return figure
