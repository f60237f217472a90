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
    compared: Compared, config: Options, folder: Path, jobs: Sequence[Mapping[str, Any]]
) -> list[Any]:
    """Return the results of jobs; those whose results are in the folder are not run again."""
    return run_jobs(
        partial(compared.run_job, config, folder),
        jobs,
        Jobs(folder / "jobs.jsonl"),
        workers=config.workers,
        describe=lambda job: f"{job['row']}, seed {job['seed'] + 1}",
    )


def train_encoders(
    compared: Compared, config: Options, folder: Path, seeds: Sequence[int]
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Train each modality alone for each seed; return the jobs and their results."""
    jobs = [compared.job(m, seed) for seed in seeds for m in compared.modalities(config)]
    return jobs, train_jobs(compared, config, folder, jobs)


def load_encoders(compared: Compared, config: Options, folder: Path, seed: int) -> dict[str, Encoder]:
    """Return the encoders of a seed, each of the model of its modality alone."""
    place = folder / f"seed-{seed}" / "checkpoints"
    return {
        m: MultiTaskModel.from_pretrained(place / f"{m}-{compared.protocol}").fused_encoder.leaves()[m]
        for m in compared.modalities(config)
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
    """Return the taps of the first seed's training and validation data.

    Of training data that are augmented, several renderings are kept. The folder is of these data alone, so
    that taps that are there are not read for again.
    """
    data = compared.data(config, tuple(encoders), 0)
    collate = collate_of(encoders, tasks)
    caches = []
    for name, split, wanted in (("train", data.train, renderings), ("validation", data.validation, 1)):
        join = getattr(split, "collate", collate)
        batches = RepeatableBatches(split, collate=join, prepare=None, batch_size=256, seed=0)
        drawn = wanted if batches.changes() else 1
        caches.append(
            cache_taps(encoders, split, folder, key=name, collate=join, renderings=drawn, progress=True)
        )
    return caches[0], caches[1]


def collate_of(encoders: Mapping[str, Encoder], tasks: Mapping[str, Task]) -> Collate:
    """Return the function that joins samples of a recipe's datasets."""
    specs = {t: task.target for t, task in tasks.items() if task.target is not None}
    return Collate({m: e.input_spec for m, e in encoders.items()}, specs)
