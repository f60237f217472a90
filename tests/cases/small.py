"""A small model, its data and a quiet training for the cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, Task, fit
from sennit.tasks.training.fitted import Fitted

QUIET: dict[str, Any] = {"accelerator": "cpu", "progress": False}


def make_model(**tasks: Task) -> MultiTaskModel:
    """A model of four numbers; of one class and one number where no tasks are given."""
    torch.manual_seed(0)
    encoders = {"a": create_encoder("mlp", 4, width=8, embed_dim=8, dropout=0.0)}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks=tasks or {"c": Classification(2), "r": Regression()},
        modality_dropout=0.0,
    )


def make_batch(size: int, seed: int = 0, **labelled: Any) -> Batch:
    """A batch whose class and number follow from its inputs."""
    x = torch.randn(size, 4, generator=torch.Generator().manual_seed(seed))
    return Batch.of(
        {"a": x}, targets={"c": (x[:, 0] > 0).long(), "r": 2 * x[:, :1]}, labelled=labelled or None
    )


def load(batch: Batch, size: int = 8, **options: Any) -> ResumableLoader:
    data = BatchDataset(batch)
    return ResumableLoader(data, batch_size=size, collate_fn=data.collate, **options)


def train(learner: Learner, batch: Batch, folder: Path | None = None, **options: Any) -> Fitted:
    """Train for an epoch unless told otherwise, validated on other data where something is monitored."""
    validation = load(make_batch(16, 1), shuffle=False) if "monitor" in options else None
    validation = options.pop("validation", validation)
    options.setdefault("epochs", None if "steps" in options else 1)
    return fit(learner, load(batch), validation, folder=folder, **{**QUIET, **options})
