"""A ladder network on the halves of MNIST, beside 100 labels."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks._proof import Comparison, Figures, Proof, served, train
from benchmarks._proof_halves import accuracies, draw
from benchmarks.unlabelled_mnist import HALVES
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Ladder, MultiTaskModel, Task

STEPS, LR, NOISE, WEIGHT = 300, 2e-3, 0.3, 0.1


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Train on 100 labels, with a ladder for each half on 3,000 other images or without."""
    data = draw(folder, seed, tune)
    torch.manual_seed(seed)
    # The stages of the paper have no path around them.
    encoders = {
        half: create_encoder("mlp", 392, width=128, depth=2, embed_dim=64, residual=False) for half in HALVES
    }
    loaders = {"labelled": served(data.labelled, 64, seed)}
    tasks: dict[str, Task] = {"digit": Classification(10)}
    if method == "ladder":
        tasks["digit"] = Classification(10, view="noisy", answers=True)
        tasks |= {f"{half} ladder": Ladder(half, noise=NOISE, weights=WEIGHT) for half in HALVES}
        loaders["unlabelled"] = served(data.unlabelled, 128, seed)
    fusion = create_fusion("concat", encoders, embed_dim=64)
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, modality_dropout=0.3)
    train(model, loaders, steps=STEPS, lr=LR)
    return accuracies(model, data.test)


PROOF = Proof(
    run,
    ("labels alone", "ladder"),
    [
        Comparison("ladder", "labels alone", "both", "accuracy, both halves"),
        Comparison("ladder", "labels alone", "one half", "accuracy, one half hidden"),
    ],
)
