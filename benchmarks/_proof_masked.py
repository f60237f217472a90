"""Masked patches of the halves of MNIST, beside 100 labels."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks._proof import Comparison, Figures, Proof, served, train
from benchmarks._proof_halves import accuracies, draw
from benchmarks.unlabelled_mnist import HALVES
from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MaskedTokens, MultiTaskModel, Task

STEPS, LR, RATE, SCORED = 300, 3e-3, 0.3, 3_000


def as_images(batch: Batch) -> Batch:
    """Return the halves as images ``[B, 1, 14, 28]``."""
    return batch.replaced(inputs={half: x.unflatten(1, (1, 14, 28)) for half, x in batch.inputs.items()})


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Train on 100 labels, with masked patches of other images or without."""
    data = draw(folder, seed, tune)
    torch.manual_seed(seed)
    options = {"image_size": 28, "widths": (16, 32, 64), "mean": 0.13, "std": 0.31}
    encoders = {half: create_encoder("conv", 1, **options) for half in HALVES}
    loaders = {"labelled": served(as_images(data.labelled), 64, seed)}
    tasks: dict[str, Task] = {"digit": Classification(10)}
    if method == "masked patches":
        tasks |= {half: MaskedTokens(half, rate=RATE) for half in HALVES}
        loaders["unlabelled"] = served(as_images(data.unlabelled), 64, seed)
    fusion = create_fusion("concat", encoders, embed_dim=64)
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, modality_dropout=0.3)
    train(model, loaders, steps=STEPS, lr=LR)
    return accuracies(model, as_images(data.test.select(torch.arange(SCORED))))


PROOF = Proof(
    run,
    ("labels alone", "masked patches"),
    [
        Comparison("masked patches", "labels alone", "both", "accuracy, both halves"),
        Comparison("masked patches", "labels alone", "one half", "accuracy, one half hidden"),
    ],
)
