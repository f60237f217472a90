"""One job of the table: choose inside the training fold, train, test once."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from sennit.data import BatchDataset
from sennit.recipes.harness import CachedByFiles, Stopwatch, modality_weights, without_each
from sennit.recipes.htad.augment import Augment
from sennit.recipes.htad.config import Config
from sennit.recipes.htad.data import HTAD, MODALITIES, find_csv, folds, inner_splits, load
from sennit.recipes.htad.model import build, only
from sennit.recipes.htad.references import REFERENCES, run_reference
from sennit.tasks import Learner, MultiTaskModel, evaluate

_METRICS = {"activity": "accuracy"}
_load = CachedByFiles(load, files=lambda path=None: [path or find_csv()], size=1)


def run_job(config: Config, job: Mapping[str, Any], *, keep: Path | None = None) -> dict[str, Any]:
    """Return the result of a job ``{"row", "protocol", "seed", "fold", "weighting"}``.

    Args:
        config: Options.
        job: Job.
        keep: Folder for the model's checkpoint.

    Returns:
        The result that `Recipe` describes, and ``predicted`` and ``true`` activities of the test rows.
    """
    data = _load(config.data)
    train, test = folds(data, job["protocol"], job["seed"])[job["fold"]]
    if job["row"] in REFERENCES:
        predicted = run_reference(job, data, train, test)
        return _scored(predicted, data.batch.targets["activity"].numpy()[test], test)
    modalities = [job["row"]] if job["row"] in MODALITIES else list(MODALITIES)
    steps = config.epochs * max(1, len(train) // config.batch_size)
    watch = Stopwatch()
    strength = _choose(config, job, data, train, modalities, steps // 2, watch)
    model = train_model(config, job, data, train, modalities, strength, steps, trial=0, watch=watch).eval()
    batch = only(data.batch, test, modalities, job)
    evaluation = evaluate(model, batch)
    answers = evaluation.answers["activity"]
    result = {
        **_scored(answers.logits.argmax(1).numpy(), answers.targets.numpy(), test),
        "chosen": {"strength": strength},
        "seconds": watch.seconds,
        "waiting": watch.waiting,
        "left_out": watch.left_out,
    }
    if len(modalities) > 1:
        result["missing"] = without_each(model, [batch], _METRICS)
    weights = modality_weights(model, [batch], "activity")
    if weights is not None:
        result["weights"] = weights
    if "motion" in evaluation.metrics:
        result["tasks"]["motion"] = {"score": evaluation.metrics["motion"]["r2"]}
    if keep is not None:
        model.save_pretrained(keep)
    return result


def _choose(
    config: Config,
    job: Mapping[str, Any],
    data: HTAD,
    train: np.ndarray,
    names: list[str],
    steps: int,
    watch: Stopwatch,
) -> float:
    """Return the strength of the training noise with the best accuracy inside the training fold."""
    if len(config.strengths) == 1:
        return config.strengths[0]
    scores = []
    for strength in config.strengths:
        accuracies = []
        for k, (inner, check) in enumerate(inner_splits(data, job["protocol"], train, job["seed"])):
            model = train_model(config, job, data, inner, names, strength, steps, trial=k + 1, watch=watch)
            evaluation = evaluate(model, only(data.batch, check, names, job), answers=False)
            accuracies.append(evaluation.metrics["activity"]["accuracy"])
        scores.append(float(np.mean(accuracies)))
    return config.strengths[int(np.argmax(scores))]


def train_model(
    config: Config,
    job: Mapping[str, Any],
    data: HTAD,
    rows: np.ndarray,
    names: list[str],
    strength: float,
    steps: int,
    *,
    trial: int,
    without: Collection[str] = (),
    watch: Stopwatch | None = None,
) -> MultiTaskModel:
    """Return a model trained on some rows; its random numbers depend on the job and the trial only.

    Args:
        config: Options.
        job: Job.
        data: All windows.
        rows: Training rows.
        names: Modalities that the model reads.
        strength: Strength of the training noise.
        steps: Number of optimizer steps.
        trial: Number of the training within the job.
        without: Kinds of noise to leave out.
        watch: Stopwatch that sums up the time.
    """
    torch.manual_seed(1000 * job["seed"] + 10 * job["fold"] + trial)
    batch = only(data.batch, rows, names, job)
    model = build(config, job["row"], data.activities, names, job["weighting"])
    model.fit_preprocessing(batch)
    dataset = BatchDataset(batch, transform=Augment(batch, strength, without=without))
    loader = _TimedLoader(
        dataset,
        batch_size=min(config.batch_size, len(dataset)),
        shuffle=True,
        drop_last=True,
        collate_fn=dataset.collate,
    )
    learner = Learner(model, lr=config.lr, weight_decay=config.weight_decay, schedule="one_cycle")
    (watch or Stopwatch()).fit(learner, loader, steps=max(steps, 1))
    return model


def _scored(predicted: np.ndarray, true: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    right = predicted == true
    return {
        "tasks": {"activity": {"score": float(right.mean()), "correct": right.astype(int).tolist()}},
        "units": test.tolist(),
        "predicted": predicted.tolist(),
        "true": true.tolist(),
    }


class _TimedLoader(DataLoader[Any]):
    """A DataLoader that counts the seconds for which its consumer waits, in ``waited_s``."""

    waited_s = 0.0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited_s += time.perf_counter() - start
            if batch is None:
                return
            yield batch
