"""The trainings of `fusion_accuracy`.

An outcome has by side (``"validation"``, ``"test"``, and ``"missing_30"`` and the like for each rate of
`MISSING`) the ``score``, the mean over tasks, and ``by_task``; the ``seconds`` of processor time spent
training; and ``missing``, the share of modalities that was missing on those last sides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks._fusion_data import DATA, DataSet, Part
from benchmarks._fusion_frozen import encoded, numbered, read, write
from benchmarks._screen import Outcome, take_steps
from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.data.random_state import keyed_random_state
from sennit.encoders import Encoder
from sennit.fusion import ModalityDropout, create_fusion
from sennit.tasks import MultiTaskModel, evaluate

MISSING = {"missing_30": 0.3, "missing_60": 0.6}
SIDES = ("validation", "test", *MISSING)
_BATCH, _FIT_ON = 500, 2000


class Refused(Exception):
    """The parts do not work together."""


def train(folder: Path, kept: Path, job: Mapping[str, Any]) -> Outcome:
    """Train one job, in a worker; where a fusion refuses the encoders or the data, return the reason.

    The weights are those of the last step, so nothing is chosen on validation data here.

    Args:
        folder: Folder of the recipes' data.
        kept: Folder for the outputs of the first seed's encoders.
        job: Job, as `Case.job` returns it.
    """
    data_set = DATA[job["data"]]
    config = data_set.config(folder, job["settings"])
    every = data_set.recipe.modalities(config)
    names = (job["name"],) if job["how"] == "alone" else every
    sides: dict[str, list[tuple[dict[str, float], float]]] = {side: [] for side in SIDES}
    seconds = 0.0
    for number, part in enumerate(data_set.parts(config, names, job["seed"])):
        torch.manual_seed(1000 * job["seed"] + number)
        files = {m: kept / f"{job['data']}-{m}-{number}.safetensors" for m in names}
        try:
            model, data, spent = _fit(data_set, config, job, part, files)
        except Refused as error:
            return {"refused": str(error)}
        seconds += spent
        if job["how"] == "alone" and job["seed"] == 0:
            (name,) = names
            encoder = model.fused_encoder.leaves()[name]
            write(files[name], encoded(name, encoder, part, renderings=data_set.renderings))
        for side, scored in _scores(model, data, every, (job["seed"], number)).items():
            sides[side].append(scored)
    outcome: Outcome = {"seconds": seconds, "missing": {}}
    for side, of_parts in sides.items():
        by_task = {task: fmean(scores[task] for scores, _ in of_parts) for task in of_parts[0][0]}
        outcome[side] = {"score": fmean(by_task.values()), "by_task": by_task}
        if side in MISSING:
            outcome["missing"][side] = fmean(share for _, share in of_parts)
    return outcome


def _fit(
    data_set: DataSet, config: Any, job: Mapping[str, Any], part: Part, files: Mapping[str, Path]
) -> tuple[MultiTaskModel, Part, float]:
    """Return the model, the data as it reads them, and the seconds of training."""
    names, encoders = tuple(files), data_set.recipe.encoders(config, tuple(files))
    steps = config.epochs * max(1, len(part.train) // config.batch_size)
    if job["how"] == "frozen":
        encoders = {m: read(path) for m, path in files.items()}
        part = numbered(part, names, renderings=data_set.renderings)
    start = time.process_time()
    batch_size = min(config.batch_size, len(part.train))
    loader = ResumableLoader(
        part.train, batch_size=batch_size, collate_fn=part.train.collate, seed=job["seed"], drop_last=True
    )
    first = next(iter(DataLoader(part.train, batch_size=_FIT_ON, collate_fn=part.train.collate)))
    model = _build(data_set, config, encoders, "concat" if job["how"] == "alone" else job["name"], first)
    take_steps(data_set.recipe.learner(config, model), loader, steps=steps)
    return model, part, time.process_time() - start


def _build(
    data_set: DataSet, config: Any, encoders: Mapping[str, Encoder], fusion: str, first: Batch
) -> MultiTaskModel:
    """Return a new model whose preprocessing is fitted to a first batch of training data.

    Raises:
        Refused: Its parts do not work together, or not with these data.
    """
    try:
        model = MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion(fusion, encoders, embed_dim=config.width),
            tasks=data_set.recipe.tasks(config, tuple(encoders)),
            modality_dropout=config.modality_dropout if len(encoders) > 1 else 0.0,
        )
        model.fit_preprocessing(first)
    except (TypeError, ValueError, ImportError) as error:
        raise Refused(str(error)) from error
    return model


def _scores(
    model: MultiTaskModel, data: Part, every: Sequence[str], key: tuple[int, int]
) -> dict[str, tuple[dict[str, float], float]]:
    """Return by side the accuracy of each task and the share of modalities that was missing."""
    usual = {t: y.mode().values for t, y in data.train.batch.targets.items()}
    scores = {}
    if data.validation is not None:
        scores["validation"] = accuracies(model, data.validation, usual), 0.0
    if data.test is not None:
        scores["test"] = accuracies(model, data.test, usual), 0.0
        for side, rate in MISSING.items():
            present = presence(len(data.test), every, rate, key)
            missing = 1 - torch.stack(list(present.values())).float().mean().item()
            scores[side] = accuracies(model, data.test, usual, present), missing
    return scores


def presence(size: int, modalities: Sequence[str], rate: float, key: Sequence[int]) -> dict[str, Tensor]:
    """Return which samples have each modality: each is hidden at this rate, and one per sample stays.

    Args:
        size: Number of samples.
        modalities: All modalities of the data set.
        rate: Probability of hiding each.
        key: Key of the random numbers: the same masks for every model.
    """
    with keyed_random_state((*key, round(100 * rate))):
        present = ModalityDropout(rate).draw(torch.ones(size, len(modalities), dtype=torch.bool), rate)
    return dict(zip(modalities, present.unbind(1), strict=True))


def accuracies(
    model: MultiTaskModel,
    data: BatchDataset,
    usual: Mapping[str, Tensor],
    present: Mapping[str, Tensor] | None = None,
) -> dict[str, float]:
    """Return the accuracy of each task on samples of which the model sees only what is ``present``.

    Args:
        model: Trained model.
        data: Samples, labelled throughout.
        usual: Most frequent class in training, by task: the answer for a sample of which the model sees
            nothing (a modality alone).
        present: Samples that have each modality; all by default.
    """
    names = model.fused_encoder.modalities
    whole = torch.ones(len(data), dtype=torch.bool)
    shown = dict.fromkeys(names, whole) if present is None else {m: present[m] for m in names}
    seen = torch.stack(list(shown.values())).any(0).nonzero().squeeze(1)
    evaluation = evaluate(model, (_shown(data.batch, shown, rows) for rows in seen.split(_BATCH)))
    scores = {}
    for task, answers in evaluation.answers.items():
        classes = usual[task].repeat(len(data))
        classes[seen] = answers.logits.argmax(1)
        scores[task] = (classes == data.batch.targets[task]).float().mean().item()
    return scores


def _shown(batch: Batch, present: Mapping[str, Tensor], rows: Tensor) -> Batch:
    """Return some samples, with the modalities that are shown of them."""
    selected = batch.select(rows)
    present = {m: p[rows] for m, p in present.items()}
    return Batch.of(selected.inputs, masks=selected.masks, present=present, targets=selected.targets)


def describe(job: Mapping[str, Any]) -> str:
    """Return a few words for the progress bar."""
    return f"{job['data']}: {job['name']} {job['how']}, seed {job['seed'] + 1}"
