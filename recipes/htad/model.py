"""The models of the recipe, and the data as they read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sennit.data import Batch
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.htad.config import Config
from sennit.recipes.htad.data import MODALITIES, SIZES
from sennit.tasks import Classification, MultiTaskModel, Regression, Task, create_weighting


def build(
    config: Config, row: str, activities: list[str], names: list[str], weighting: str | None
) -> MultiTaskModel:
    """Return the model of a row: one MLP a modality, and a fusion (concatenation for a single modality)."""
    encoders = build_encoders(config, names)
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat" if row in MODALITIES else row, encoders, embed_dim=config.width),
        tasks=build_tasks(activities, weighting),
        weighting=None if weighting is None else create_weighting(weighting),
        modality_dropout=config.modality_dropout,
    )


def build_encoders(config: Config, names: Sequence[str]) -> dict[str, Encoder]:
    """Return an MLP for each modality."""
    options = {"embed_dim": config.width, "width": config.width, "dropout": config.dropout}
    return {m: create_encoder("mlp", SIZES[m], **options) for m in names}


def build_tasks(activities: list[str], weighting: str | None) -> dict[str, Task]:
    """Return the activity and, with a weighting, the motion, which reads the sound alone."""
    tasks: dict[str, Task] = {"activity": Classification(activities)}
    if weighting is not None:
        tasks["motion"] = Regression(reads=("audio",))
    return tasks


def only(batch: Batch, rows: np.ndarray, names: Sequence[str], job: Mapping[str, Any]) -> Batch:
    """Return some rows, with the inputs and the targets that the job's model has."""
    tasks = ["activity"] if job["weighting"] is None else ["activity", "motion"]
    selected = batch.select(torch.as_tensor(rows))
    return Batch.of(
        {m: selected.inputs[m] for m in names},
        targets={t: selected.targets[t] for t in tasks},
        index=selected.index,
    )
