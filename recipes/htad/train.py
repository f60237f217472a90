"""One job of the table: choose inside the training fold, train, test once."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sennit.data import Batch, BatchDataset
from sennit.encoders import Encoder, create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.harness.trainer import Stopwatch, TimedLoader, quiet_trainer
from sennit.recipes.htad.augment import Augment
from sennit.recipes.htad.config import Config
from sennit.recipes.htad.data import HTAD, MODALITIES, SIZES, folds, inner_splits, load
from sennit.tasks import Classification, Learner, MultiTaskModel, Regression, Task, create_weighting
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

_CLASSIFIERS = {
    "extra trees": lambda seed: ExtraTreesClassifier(300, random_state=seed),
    "rbf svm": lambda seed: make_pipeline(StandardScaler(), SVC(C=10)),
}
REFERENCES = {
    name if len(modalities) > 1 else f"{name}, {modalities[0]}": (name, modalities)
    for name in _CLASSIFIERS
    for modalities in (*[(m,) for m in MODALITIES], tuple(MODALITIES))
}
_load = lru_cache(maxsize=1)(load)


def run_job(config: Config, job: Mapping[str, Any], *, keep: Path | None = None) -> dict[str, Any]:
    """Work on a job ``{"row", "protocol", "seed", "fold", "weighting"}``.

    Args:
        config: Options.
        job: What to work on.
        keep: A folder for the model's checkpoint.

    Returns:
        What `Recipe` says, and ``predicted`` and ``true`` activities of the test rows.
    """
    data = _load(config.data)
    train, test = folds(data, job["protocol"], job["seed"])[job["fold"]]
    if job["row"] in REFERENCES:
        return _reference(job, data, train, test)
    modalities = [job["row"]] if job["row"] in MODALITIES else list(MODALITIES)
    steps = config.epochs * max(1, len(train) // config.batch_size)
    watch = Stopwatch()
    strength = _choose(config, job, data, train, modalities, steps // 2, watch)
    model = fit(config, job, data, train, modalities, strength, steps, trial=0, watch=watch)
    chosen = only(data.batch, test, modalities, job)
    model.eval()
    with torch.no_grad():
        outputs = model(chosen)
        fused = model.features(chosen).fused["activity"]
    predicted, true = outputs["activity"].logits.argmax(1).numpy(), chosen.targets["activity"].numpy()
    result = {
        **_scored(predicted, true, test),
        "chosen": {"strength": strength},
        "seconds": watch.seconds,
        "waiting": watch.waited_s / watch.seconds,
    }
    if len(modalities) > 1:
        result["missing"] = {m: {"activity": _without(model, chosen, m)} for m in modalities}
    if fused.modality_weights is not None:
        result["weights"] = dict(zip(modalities, fused.modality_weights.mean(0).tolist(), strict=True))
    if "motion" in outputs:
        error = (outputs["motion"].logits - chosen.targets["motion"]).square().sum()
        spread = (chosen.targets["motion"] - chosen.targets["motion"].mean()).square().sum()
        result["tasks"]["motion"] = {"score": 1 - (error / spread).item()}
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
    """The strength of the training noise with the best accuracy on splits inside the training fold."""
    if len(config.strengths) == 1:
        return config.strengths[0]
    scores = []
    for strength in config.strengths:
        found = []
        for k, (inner, check) in enumerate(inner_splits(data, job["protocol"], train, job["seed"])):
            model = fit(config, job, data, inner, names, strength, steps, trial=k + 1, watch=watch)
            batch = only(data.batch, check, names, job)
            model.eval()
            with torch.no_grad():
                found.append(_accuracy(model(batch)["activity"].logits, batch.targets["activity"]))
        scores.append(float(np.mean(found)))
    return config.strengths[int(np.argmax(scores))]


def fit(
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
    """A model trained on some rows; its random numbers depend on the job and the trial only."""
    torch.manual_seed(1000 * job["seed"] + 10 * job["fold"] + trial)
    batch = only(data.batch, rows, names, job)
    model = build(config, job["row"], data.activities, names, job["weighting"])
    model.fit_preprocessing(batch)
    dataset = BatchDataset(batch, transform=Augment(batch, strength, without=without))
    loader = TimedLoader(
        dataset,
        batch_size=min(config.batch_size, len(dataset)),
        shuffle=True,
        drop_last=True,
        collate_fn=dataset.collate,
    )
    learner = Learner(model, lr=config.lr, weight_decay=config.weight_decay, schedule="one_cycle")
    start = time.perf_counter()
    quiet_trainer(steps=max(steps, 1)).fit(learner, loader)
    if watch is not None:
        watch.seconds += time.perf_counter() - start
        watch.waited_s += loader.waited_s
    return model


def build(
    config: Config, row: str, activities: list[str], names: list[str], weighting: str | None
) -> MultiTaskModel:
    """The model of a row: one MLP a modality, and a fusion (concatenation for a single modality)."""
    encoders = build_encoders(config, names)
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat" if row in MODALITIES else row, encoders, embed_dim=config.width),
        tasks=build_tasks(activities, weighting),
        weighting=None if weighting is None else create_weighting(weighting),
        modality_dropout=config.modality_dropout,
    )


def build_encoders(config: Config, names: Sequence[str]) -> dict[str, Encoder]:
    """An MLP a modality."""
    options = {"embed_dim": config.width, "width": config.width, "dropout": config.dropout}
    return {m: create_encoder("mlp", SIZES[m], **options) for m in names}


def build_tasks(activities: list[str], weighting: str | None) -> dict[str, Task]:
    """The activity, and with a weighting the motion, which only the sound may tell."""
    tasks: dict[str, Task] = {"activity": Classification(activities)}
    if weighting is not None:
        tasks["motion"] = Regression(reads=("audio",))
    return tasks


def only(batch: Batch, rows: np.ndarray, names: Sequence[str], job: Mapping[str, Any]) -> Batch:
    """Some rows, with the inputs and the targets that the job's model has."""
    tasks = ["activity"] if job["weighting"] is None else ["activity", "motion"]
    some = batch.select(torch.as_tensor(rows))
    return Batch.of(
        {m: some.inputs[m] for m in names},
        targets={t: some.targets[t] for t in tasks},
        index=some.index,
    )


def _accuracy(logits: torch.Tensor, true: torch.Tensor) -> float:
    return (logits.argmax(1) == true).float().mean().item()


@torch.no_grad()
def _without(model: MultiTaskModel, batch: Batch, modality: str) -> float:
    rest = batch.restrict(tuple(m for m in batch.inputs if m != modality))
    return _accuracy(model(rest)["activity"].logits, batch.targets["activity"])


def _reference(job: Mapping[str, Any], data: HTAD, train: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    name, modalities = REFERENCES[job["row"]]
    x = torch.cat([data.batch.inputs[m] for m in modalities], 1).numpy()
    y = data.batch.targets["activity"].numpy()
    model = _CLASSIFIERS[name](job["seed"]).fit(x[train], y[train])
    return _scored(model.predict(x[test]), y[test], test)


def _scored(predicted: np.ndarray, true: np.ndarray, test: np.ndarray) -> dict[str, Any]:
    right = predicted == true
    return {
        "tasks": {"activity": {"score": float(right.mean()), "correct": right.astype(int).tolist()}},
        "units": test.tolist(),
        "predicted": predicted.tolist(),
        "true": true.tolist(),
    }
