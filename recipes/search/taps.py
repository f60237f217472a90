"""Encoders trained on one modality each, and their frozen taps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sennit.data import Collate
from sennit.encoders import Encoder
from sennit.recipes.command_line import Options
from sennit.recipes.harness import Jobs, run_jobs
from sennit.recipes.search.compared import Compared
from sennit.search import RepeatableBatches, TapCache, cache_taps
from sennit.tasks import MultiTaskModel, Task


def train_jobs(
    compared: Compared, config: Options, folder: Path, cells: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """The results of cells; what is in the folder already is not trained again."""
    return run_jobs(
        partial(compared.run_job, config, folder),
        cells,
        Jobs(folder / "jobs.jsonl"),
        workers=config.workers,
        describe=lambda cell: f"{cell['row']}, seed {cell['seed'] + 1}",
    )


def checkpoint(compared: Compared, folder: Path, row: str) -> Path:
    """Where the model of a row lies that is kept."""
    return folder / "checkpoints" / f"{row}-{compared.protocol}"


def train_encoders(compared: Compared, config: Options, folder: Path) -> dict[str, Encoder]:
    """By modality, the encoder of the model that has it alone, of the first seed."""
    names = compared.modalities(config)
    train_jobs(compared, config, folder, [compared.cell(m, 0) for m in names])
    return {
        m: MultiTaskModel.from_pretrained(checkpoint(compared, folder, m)).fused_encoder.leaves()[m]
        for m in names
    }


def freeze_taps(
    compared: Compared,
    config: Options,
    encoders: Mapping[str, Encoder],
    tasks: Mapping[str, Task],
    folder: Path,
    *,
    renderings: int,
) -> tuple[TapCache, TapCache]:
    """Taps of the first seed's training data, several renderings if drawn at random, and validation data."""
    data = compared.data(config, tuple(encoders), 0)
    specs = {t: task.target for t, task in tasks.items() if task.target is not None}
    collate = Collate({m: e.input_spec for m, e in encoders.items()}, specs)
    caches = []
    for part, wanted in ((data.train, renderings), (data.validation, 1)):
        own = getattr(part, "collate", collate)
        reading = RepeatableBatches(part, collate=own, prepare=None, batch_size=256, seed=0)
        drawn = wanted if reading.changes() else 1
        caches.append(cache_taps(encoders, part, folder, collate=own, renderings=drawn, progress=True))
    return caches[0], caches[1]
