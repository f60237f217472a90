"""A small run with passes, to be killed, and on two ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.tasks import Classification, DeepCluster, Learner, MultiTaskModel, fit
from tests.parts import make_batch, make_model

SIZE, CLUSTERS = 24, 4


class Counted(DeepCluster):
    """Counts its passes."""

    passes = 0

    def on_pass(self, features: Any, index: Tensor) -> None:
        self.passes += 1
        super().on_pass(features, index)


def make(*, dropout: float = 0.0) -> tuple[MultiTaskModel, Counted, Batch]:
    torch.manual_seed(0)
    task = Counted(CLUSTERS, samples=SIZE, pca=3, loaders=("unlabelled",))
    tasks = {"y": Classification(3), "groups": task}
    model = make_model("gated", tasks, dropout=dropout, modality_dropout=dropout)
    data = make_batch(SIZE, missing=False, index=torch.arange(SIZE))
    return model, task, data


def loader(data: Batch, size: int = 8, **options: Any) -> ResumableLoader:
    served = BatchDataset(data)
    return ResumableLoader(served, batch_size=size, collate_fn=served.collate, **options)


def train(
    folder: Path | None,
    *,
    ranks: int = 1,
    epochs: int = 3,
    dropout: float = 0.3,
    callbacks: Sequence[pl.Callback] = (),
    resume: bool = True,
) -> dict[str, Any]:
    """Train beside a labelled task; give all that a run leaves behind."""
    model, task, data = make(dropout=dropout)
    unlabelled = data.replaced(targets={}, labelled={})
    learner = Learner(model, lr=0.02)
    fit(
        learner,
        {"labelled": loader(data, 8 // ranks), "unlabelled": loader(unlabelled, 8 // ranks, seed=1)},
        folder=folder,
        epochs=epochs,
        passes={"groups": loader(unlabelled, 10 // ranks, shuffle=False)},
        callbacks=callbacks,
        accelerator="cpu",
        devices=ranks,
        progress=False,
        resume=resume and folder is not None,
        **({} if folder is None else {"checkpoint_every": 1}),
    )
    return {
        "model": model.state_dict(),
        "memory": task.memory.training_state(),
        "passes": task.passes,
    }
