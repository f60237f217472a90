"""MixMatch on the halves of MNIST with 100 labels, as in `unlabelled_mnist`."""

from __future__ import annotations

from pathlib import Path

from benchmarks import unlabelled_mnist
from benchmarks._proof import Comparison, Figures, Proof

BASELINE = "supervised, moved"
"""Supervised training whose labelled images are moved by up to a pixel, as MixMatch moves its own."""


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Train on 100 labels, with MixMatch on 3,000 other images or without."""
    scores = unlabelled_mnist.run(method, seed, folder / "mnist", tune=tune)
    return {"both": scores["both"], "one half": (scores["upper"] + scores["lower"]) / 2}


PROOF = Proof(
    run,
    (BASELINE, "mixmatch"),
    [
        Comparison("mixmatch", BASELINE, "both", "accuracy, both halves"),
        Comparison("mixmatch", BASELINE, "one half", "accuracy, one half hidden"),
    ],
)
