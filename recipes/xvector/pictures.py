"""Pictures of a run, of its first seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sennit.recipes.xvector.job import Job, name_of
from sennit.recipes.xvector.reference import STATISTICS
from sennit.recipes.xvector.scores import lengths_of, read_scores, trials_of
from sennit.tasks.verification import draw_det_curves, draw_embeddings, draw_scores

from sennit.html_page import render

_KIND = "plda"


def pictures(folder: Path, jobs: Sequence[Job], *, p_target: float) -> dict[str, tuple[bytes, str]]:
    """By name a PNG with its caption: DET curves, histograms of scores, maps of embeddings."""
    found: dict[str, tuple[bytes, str]] = {}
    first = [job for job in jobs if job["seed"] == 0]
    for normalise in dict.fromkeys(job["normalise"] for job in first):
        own = {job_name: job for job in first if job["normalise"] == normalise for job_name in [name_of(job)]}
        kept = {name: read_scores(folder, job) for name, job in own.items()}
        for length in lengths_of(next(iter(kept.values()))):
            curves = {name: trials_of(one, _KIND, length).curve for name, one in kept.items()}
            short = length.replace(" ", "")
            found[f"det-{normalise}-{short}"] = (
                render(draw_det_curves(curves)),
                f"Normalisation {normalise}, segments {length}, PLDA",
            )
            best = next(name for name, job in own.items() if job["encoder"] != STATISTICS)
            trials = trials_of(kept[best], _KIND, length)
            llr = trials.calibration.llr(trials.scores)
            threshold = float(np.log((1 - p_target) / p_target))
            found[f"scores-{normalise}-{short}"] = (
                render(draw_scores(llr, trials.same, threshold=threshold)),
                f"Log-likelihood ratios of {best}, normalisation {normalise}, segments {length}, PLDA; "
                f"calibration and threshold are those of development speakers",
            )
        best = next(name for name, job in own.items() if job["encoder"] != STATISTICS)
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
