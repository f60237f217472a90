"""MNIST with few labels, the upper and the lower half of each image as two modalities."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.unlabelled_mnist import HALVES, HELD_OUT, halves, read
from sennit.data import Batch
from sennit.tasks import MultiTaskModel, evaluate


class Halves(NamedTuple):
    """Batches of one seed.

    Attributes:
        labelled: Images with their digits, as many of each.
        unlabelled: Other images, with ids from 0 on.
        test: Images that are scored.
    """

    labelled: Batch
    unlabelled: Batch
    test: Batch


def draw(folder: Path, seed: int, tune: bool, *, labels: int = 100, pool: int = 3_000) -> Halves:
    """Draw labelled and unlabelled training images; read the test images, or held-out training images."""
    images, digits = read(folder / "mnist", "train")
    scored = (images[-HELD_OUT:], digits[-HELD_OUT:]) if tune else read(folder / "mnist", "t10k")
    images, digits = images[:-HELD_OUT], digits[:-HELD_OUT]
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen = torch.cat([order[digits[order] == digit][: labels // 10] for digit in range(10)])
    ids = torch.arange(max(labels, pool))
    return Halves(
        Batch.of(halves(images[chosen]), targets={"digit": digits[chosen]}, index=ids[:labels]),
        Batch.of(halves(images[order[-pool:]]), index=ids[:pool]),
        Batch.of(halves(scored[0]), targets={"digit": scored[1]}),
    )


def accuracies(model: MultiTaskModel, test: Batch) -> dict[str, float]:
    """Return the accuracy with both halves, and the mean of those with either alone."""

    def accuracy(batch: Batch) -> float:
        return evaluate(model, batch, answers=False).metrics["digit"]["accuracy"]

    alone = [accuracy(test.restrict((half,))) for half in HALVES]
    return {"both": accuracy(test), "one half": sum(alone) / len(alone)}
