"""MNIST as two modalities, the upper and the lower half of each image, for tests on real data."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, MultiTaskModel, Task

HALVES = ("upper", "lower")
needs_data = pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")


def read_mnist(part: str) -> tuple[Tensor, Tensor]:
    """Images ``[N, 784]`` from 0 to 1 and digits of a part, "train" or "t10k"."""
    folder = Path(os.environ["SENNIT_DATA"]) / "mnist"
    packed = {"images-idx3": 16, "labels-idx1": 8}
    images, labels = (
        np.frombuffer(
            gzip.decompress((folder / f"{part}-{name}-ubyte.gz").read_bytes()), np.uint8, offset=start
        )
        for name, start in packed.items()
    )
    return torch.tensor(images).reshape(-1, 784) / 255, torch.tensor(labels).long()


def in_halves(images: Tensor, digits: Tensor | None = None) -> Batch:
    inputs = {"upper": images[:, :392].contiguous(), "lower": images[:, 392:].contiguous()}
    return Batch.of(inputs, targets={} if digits is None else {"digit": digits})


def few_labels(digits: Tensor, each: int, seed: int) -> Tensor:
    """Rows with ``each`` samples of every digit."""
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(seed))
    return torch.cat([order[digits[order] == digit][:each] for digit in range(10)])


def mnist_model(tasks: Mapping[str, Task], *, seed: int, fusion: str = "concat") -> MultiTaskModel:
    """An MLP for each half, with modality dropout."""
    torch.manual_seed(seed)
    encoders = {half: create_encoder("mlp", 392) for half in HALVES}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=128),
        tasks={"digit": Classification(10), **tasks},
    )


def train_few_labels(
    model: MultiTaskModel, labelled: Batch, unlabelled: Batch, *, steps: int, lr: float = 1e-3, seed: int = 0
) -> None:
    """Steps of 64 labelled and 128 unlabelled samples."""
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=lr)
    for _ in range(steps):
        batches = {
            "labelled": labelled.select(torch.randint(labelled.batch_size, (64,))),
            "unlabelled": unlabelled.select(torch.randint(unlabelled.batch_size, (128,))),
        }
        optimizer.zero_grad()
        model.loss(batches)[0].backward()
        optimizer.step()


@torch.no_grad()
def accuracy(model: MultiTaskModel, batch: Batch) -> float:
    logits = model.eval()(batch)["digit"].logits
    return float((logits.argmax(1) == batch.targets["digit"]).float().mean())
