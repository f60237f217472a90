"""A domain adversary, from MNIST with labels to MNIST-M without (Ganin et al. 2016, §5.2.4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks._proof import Comparison, Figures, Proof, served, train
from benchmarks.unlabelled_mnist import read
from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, DomainAdversary, MultiTaskModel, Task, evaluate

STEPS, BATCH, LR, WARM_UP, FASTER = 500, 64, 2e-3, 0.1, 5.0
"""The adversary's head learns at five times the rate, so that features follow the domains that it can tell.
At the rate of the others it gains nothing; without a warm-up, at 3e-3, one training of three fell to chance.
"""
SOURCE, HELD_OUT = 8_000, 1_000
"""Labelled images of MNIST, and training images of MNIST-M on which settings were chosen."""


def colours(images: Tensor) -> Tensor:
    """Return images ``[N, 28, 28]`` or ``[N, 28, 28, 3]`` as ``[N, 3, 28, 28]``, from -1 to 1."""
    images = images.unsqueeze(-1).expand(-1, -1, -1, 3) if images.dim() == 3 else images
    return (images.movedim(-1, 1) * 2 - 1).contiguous()


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Train on the source, with the adversary or without it; return the accuracies on both domains."""
    source, digits = read(folder / "mnist", "train")
    with np.load(folder / "mnist_m.npz") as arrays:
        images, labels = (
            {part: torch.from_numpy(arrays[f"{letter}_{part}"]) for part in ("train", "test")}
            for letter in "xy"
        )
    target, test = images["train"][:-HELD_OUT], (images["test"], labels["test"])
    other = read(folder / "mnist", "t10k")
    if tune:
        test = (images["train"][-HELD_OUT:], labels["train"][-HELD_OUT:])
        other = source[-10_000:], digits[-10_000:]
    order = torch.randperm(50_000, generator=torch.Generator().manual_seed(seed))[:SOURCE]
    torch.manual_seed(seed)
    encoders = {"image": create_encoder("conv", 3, image_size=28, widths=(32, 64, 64))}
    fusion = create_fusion("concat", encoders, embed_dim=64)
    tasks: dict[str, Task] = {"digit": Classification(10)}
    options: dict[str, Any] = {}
    if method == "domain adversary":
        tasks["domain"] = DomainAdversary(("source", "target"))
        options["lr_scale"] = {"heads.domain": FASTER}
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks)
    labelled = Batch.of({"image": colours(source[order])}, targets={"digit": digits[order]})
    loaders = {"source": served(labelled, BATCH, seed)}
    if method == "domain adversary":
        loaders["target"] = served(Batch.of({"image": colours(target / 255)}), BATCH, seed)
    train(model, loaders, steps=STEPS, lr=LR, warmup=WARM_UP, **options)
    return {
        "target": _accuracy(model, colours(test[0] / 255), test[1]),
        "source": _accuracy(model, colours(other[0]), other[1]),
    }


def _accuracy(model: MultiTaskModel, images: Tensor, digits: Tensor) -> float:
    batch = Batch.of({"image": images}, targets={"digit": digits.long()})
    return evaluate(model, batch, answers=False).metrics["digit"]["accuracy"]


PROOF = Proof(
    run,
    ("source alone", "domain adversary"),
    [
        Comparison("domain adversary", "source alone", "target", "accuracy on MNIST-M"),
        Comparison("domain adversary", "source alone", "source", "accuracy on MNIST"),
    ],
)
