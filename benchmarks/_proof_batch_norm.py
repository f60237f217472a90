"""A mean teacher whose network has batch norm: the teacher averages its statistics too."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchmarks._proof import Comparison, Figures, Proof, served, train
from benchmarks._proof_halves import accuracies, draw
from benchmarks.unlabelled_mnist import HALVES, weakly, with_views
from sennit.data import InputSpec
from sennit.encoders import wrap
from sennit.fusion import create_fusion
from sennit.ramp import Ramp
from sennit.tasks import Classification, MeanTeacher, MultiTaskModel, Task, create_teacher

STEPS, LR, DECAY, END = 500, 2e-3, 0.99, 1.0


def make_net(width: int = 128, dim: int = 64) -> nn.Sequential:
    """Return a perceptron with batch norm before each ReLU."""
    layers: list[nn.Module] = []
    for size in (392, width):
        layers += [nn.Linear(size, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers, nn.Linear(width, dim))


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Train on 100 labels, with a mean teacher on 3,000 other images or without; all are moved a little."""
    data = draw(folder, seed, tune)
    torch.manual_seed(seed)
    factory = f"{make_net.__module__}:{make_net.__name__}"
    encoders = {half: wrap(make_net(), InputSpec((392,)), 64, factory=factory) for half in HALVES}
    loaders = {"labelled": served(data.labelled, 64, seed, weakly)}
    tasks: dict[str, Task] = {"digit": Classification(10)}
    options = {}
    if method == "mean teacher":
        views = {"teacher": "weak", "student": "again", "loaders": ("unlabelled",)}
        tasks["same"] = MeanTeacher(of="digit", gradient_scale=Ramp("gaussian", share=0.4, end=END), **views)
        loaders["unlabelled"] = served(data.unlabelled, 128, seed, with_views)
        options["teacher"] = create_teacher("ema", decay=DECAY)
    fusion = create_fusion("concat", encoders, embed_dim=64)
    model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks, modality_dropout=0.3)
    train(model, loaders, steps=STEPS, lr=LR, **options)
    return accuracies(model, data.test)


PROOF = Proof(
    run,
    ("supervised", "mean teacher"),
    [
        Comparison("mean teacher", "supervised", "both", "accuracy, both halves"),
        Comparison("mean teacher", "supervised", "one half", "accuracy, one half hidden"),
    ],
)
