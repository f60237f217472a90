"""A multimodal VAE: hidden halves are rebuilt, and a missing half hurts less (Wu & Goodman 2018)."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks._proof import Comparison, Figures, Proof, served, train
from benchmarks._proof_halves import Halves, accuracies, draw
from benchmarks.unlabelled_mnist import HALVES
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.ramp import Ramp
from sennit.tasks import Classification, MultiTaskModel, Reconstruction, Task, create_weighting

STEPS, LR, DIM, LABEL_WEIGHT, WARM_UP = 800, 2e-3, 32, 50.0, 0.5
POOL = 10_000
OTHER = {"upper": "lower", "lower": "upper"}


def run(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    """Train the VAE on 100 labels and unlabelled images, or the same network on the labels alone."""
    data = draw(folder, seed, tune, pool=POOL)
    if method == "mean image":
        return {"error": _mean_error(data)}
    torch.manual_seed(seed)
    encoders = {half: create_encoder("mlp", 392, width=128, depth=2, embed_dim=64) for half in HALVES}
    loaders = {"labelled": served(data.labelled, 64, seed)}
    tasks: dict[str, Task] = {"digit": Classification(10)}
    if method == "mvae":
        loaders["unlabelled"] = served(data.unlabelled, 128, seed)
        for half in HALVES:
            tasks[half] = Reconstruction(half, shape=(392,), likelihood="bernoulli", answers=True)
    beta = Ramp("linear", share=WARM_UP)
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("latent_product", encoders, embed_dim=DIM, beta=beta),
        tasks=tasks,
        weighting=create_weighting("fixed", weights={"digit": LABEL_WEIGHT}),
        modality_dropout=0.3,
    )
    train(model, loaders, steps=STEPS, lr=LR)
    figures = accuracies(model, data.test)
    return figures | ({"error": _hidden_error(model, data)} if method == "mvae" else {})


@torch.no_grad()
def _hidden_error(model: MultiTaskModel, data: Halves) -> float:
    """Return the mean squared error of each half, rebuilt from the other one."""
    errors = []
    model.eval()
    for half, other in OTHER.items():
        task, output = model.tasks[half], model(data.test.restrict((other,)))[half]
        assert isinstance(task, Reconstruction)
        errors.append(float((task.rebuilt(output.logits) - data.test.inputs[half]).square().mean()))
    return sum(errors) / len(errors)


def _mean_error(data: Halves) -> float:
    """Return the mean squared error of the mean training image."""
    test, train_images = data.test.inputs, data.unlabelled.inputs
    errors = [float((test[half] - train_images[half].mean(0)).square().mean()) for half in HALVES]
    return sum(errors) / len(errors)


PROOF = Proof(
    run,
    ("mean image", "labels alone", "mvae"),
    [
        Comparison("mvae", "mean image", "error", "squared error of a hidden half, lower is better"),
        Comparison("mvae", "labels alone", "one half", "accuracy, one half hidden"),
        Comparison("mvae", "labels alone", "both", "accuracy, both halves"),
    ],
)
