"""A small problem for candidates: cached taps of two modalities, three tasks of unlike kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sennit.data import Batch, BatchDataset
from sennit.encoders import Encoder, create_encoder
from sennit.search import BatchedEvaluator, Proposal, Space, TapCache, TrainingOptions, cache_taps
from sennit.tasks import Classification, MultiLabel, Regression, Task


def make_encoders() -> dict[str, Encoder]:
    torch.manual_seed(0)
    return {
        "a": create_encoder("mlp", 3, width=12, embed_dim=10),
        "b": create_encoder("mlp", 5, width=7, embed_dim=9),
    }


def make_tasks() -> dict[str, Task]:
    return {"y": Classification(4), "z": Regression(2, reads=("a",)), "m": MultiLabel(3)}


def make_batch(rows: int, *, missing: bool, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    inputs = {"a": torch.randn(rows, 3, generator=g), "b": torch.randn(rows, 5, generator=g)}
    targets = {
        "y": (inputs["a"][:, 0] > 0).long() + 2 * (inputs["b"][:, 0] > 0).long(),
        "z": torch.stack([inputs["a"].sum(1), inputs["b"][:, 1]], 1),
        "m": (torch.randn(rows, 3, generator=g) > 0).float(),
    }
    present, labelled = None, None
    if missing:
        a = torch.rand(rows, generator=g) < 0.7
        present = {"a": a, "b": ~a | (torch.rand(rows, generator=g) < 0.6)}
        labelled = {
            "y": torch.rand(rows, generator=g) < 0.8,
            "z": torch.rand(rows, generator=g) < 0.8,
            "m": torch.rand(rows, 3, generator=g) < 0.6,
        }
    return Batch.of(inputs, targets=targets, present=present, labelled=labelled)


def make_space(**options: object) -> Space:
    return Space.of(make_encoders(), make_tasks(), **{"cells": 3, "widths": (8, 12), **options})  # type: ignore[arg-type]


def make_caches(folder: Path, *, missing: bool, rows: int = 96) -> tuple[TapCache, TapCache]:
    encoders = make_encoders()
    train, check = (
        cache_taps(encoders, BatchDataset(make_batch(n, missing=missing, seed=s)), folder)
        for n, s in ((rows, 0), (64, 1))
    )
    return train, check


def make_proposals(space: Space, count: int, *, generation: int = 0) -> list[Proposal]:
    drawn = [space.sample(np.random.default_rng([generation, i])) for i in range(count)]
    return [Proposal((generation, i), genes, space.decode(genes)) for i, genes in enumerate(drawn)]


def make_evaluator(folder: Path, *, missing: bool = False, **training: object) -> BatchedEvaluator:
    options = {"epochs": 3, "batch_size": 32, "lr": 1e-2, **training}
    return BatchedEvaluator(
        make_space(),
        make_tasks(),
        *make_caches(folder, missing=missing),
        training=TrainingOptions(**options),  # type: ignore[arg-type]
    )


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in module.named_parameters()}


def same_within(a: Sequence[float], b: Sequence[float], tolerance: float) -> bool:
    return all(abs(x - y) <= tolerance for x, y in zip(a, b, strict=True))
