"""The trainings of `fusion_accuracy`.

An outcome has by side (``"validation"``, ``"test"``, and for each rate of `MISSING` ``"missing_30"`` and the
like) the ``score``, the mean over tasks, and ``by_task``; ``seconds`` of processor time spent training; and
``missing``, by those last sides the share of modalities that was missing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.data.random_state import keyed_random_state
from sennit.encoders import Encoder
from sennit.fusion import ModalityDropout, create_fusion
from sennit.tasks import MultiTaskModel
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks._fusion_data import DATA, DataSet, Part
from benchmarks._fusion_frozen import encoded, numbered, read, write
from benchmarks._screen import Outcome, take_steps

MISSING = {"missing_30": 0.3, "missing_60": 0.6}
SIDES = ("validation", "test", *MISSING)
_BATCH, _FIT_ON = 500, 2000


class Refused(Exception):
    """The parts do not work together."""


def train(folder: Path, kept: Path, job: Mapping[str, Any]) -> Outcome:
    """Train one job, in a worker; a fusion that refuses the encoders or the data gives the reason.

    The weights are those of the last step, so nothing is chosen on validation data here.

    Args:
        folder: Of the recipes' data.
        kept: Where what the encoders of the first seed give is kept.
        job: As `Case.job` says.
    """
    own = DATA[job["data"]]
    config = own.config(folder, job["settings"])
    every = own.recipe.modalities(config)
    names = (job["name"],) if job["how"] == "alone" else every
    sides: dict[str, list[tuple[dict[str, float], float]]] = {side: [] for side in SIDES}
    seconds = 0.0
    for number, part in enumerate(own.parts(config, names, job["seed"])):
        torch.manual_seed(1000 * job["seed"] + number)
        files = {m: kept / f"{job['data']}-{m}-{number}.safetensors" for m in names}
        try:
            model, data, spent = _fit(own, config, job, part, files)
        except Refused as error:
            return {"refused": str(error)}
        seconds += spent
        if job["how"] == "alone" and job["seed"] == 0:
            (name,) = names
            encoder = model.fused_encoder.leaves()[name]
            write(files[name], encoded(name, encoder, part, renderings=own.renderings))
        for side, found in _scores(model, data, every, (job["seed"], number)).items():
            sides[side].append(found)
    outcome: Outcome = {"seconds": seconds, "missing": {}}
    for side, of_parts in sides.items():
        by_task = {task: fmean(scores[task] for scores, _ in of_parts) for task in of_parts[0][0]}
        outcome[side] = {"score": fmean(by_task.values()), "by_task": by_task}
        if side in MISSING:
            outcome["missing"][side] = fmean(share for _, share in of_parts)
    return outcome


def _fit(
    own: DataSet, config: Any, job: Mapping[str, Any], part: Part, files: Mapping[str, Path]
) -> tuple[MultiTaskModel, Part, float]:
    """The model, the data as it reads them, and the seconds of training."""
    names, encoders = tuple(files), own.recipe.encoders(config, tuple(files))
    steps = config.epochs * max(1, len(part.train) // config.batch_size)
    if job["how"] == "frozen":
        encoders = {m: read(path) for m, path in files.items()}
        part = numbered(part, names, renderings=own.renderings)
    start = time.process_time()
    batch_size = min(config.batch_size, len(part.train))
    loader = ResumableLoader(
        part.train, batch_size=batch_size, collate_fn=part.train.collate, seed=job["seed"], drop_last=True
    )
    some = next(iter(DataLoader(part.train, batch_size=_FIT_ON, collate_fn=part.train.collate)))
    model = _build(own, config, encoders, "concat" if job["how"] == "alone" else job["name"], some)
    take_steps(own.recipe.learner(config, model), loader, steps=steps)
    return model.eval(), part, time.process_time() - start


def _build(
    own: DataSet, config: Any, encoders: Mapping[str, Encoder], fusion: str, some: Batch
) -> MultiTaskModel:
    """A new model, fitted to some training data.

    Raises:
        Refused: Its parts do not work together, or not with these data.
    """
    try:
        model = MultiTaskModel(
            encoders=encoders,
            fusion=create_fusion(fusion, encoders, embed_dim=config.width),
            tasks=own.recipe.tasks(config, tuple(encoders)),
            modality_dropout=config.modality_dropout if len(encoders) > 1 else 0.0,
        )
        model.fit_preprocessing(some)
    except (TypeError, ValueError, ImportError) as error:
        raise Refused(str(error)) from error
    return model


def _scores(
    model: MultiTaskModel, data: Part, every: Sequence[str], key: tuple[int, int]
) -> dict[str, tuple[dict[str, float], float]]:
    """By side the accuracy of each task, and the share of modalities that was missing."""
    usual = {t: y.mode().values for t, y in data.train.batch.targets.items()}
    found = {}
    if data.validation is not None:
        found["validation"] = accuracies(model, data.validation, usual), 0.0
    if data.test is not None:
        found["test"] = accuracies(model, data.test, usual), 0.0
        for side, rate in MISSING.items():
            there = presence(len(data.test), every, rate, key)
            missing = 1 - torch.stack(list(there.values())).float().mean().item()
            found[side] = accuracies(model, data.test, usual, there), missing
    return found


def presence(size: int, modalities: Sequence[str], rate: float, key: Sequence[int]) -> dict[str, Tensor]:
    """Which samples have each modality: each is hidden at this rate, one of a sample's always stays.

    Args:
        size: Number of samples.
        modalities: All of the data set's.
        rate: Probability of hiding each.
        key: Of the random numbers: the same masks for every model.
    """
    with keyed_random_state((*key, round(100 * rate))):
        there = ModalityDropout(rate).draw(torch.ones(size, len(modalities), dtype=torch.bool), rate)
    return dict(zip(modalities, there.unbind(1), strict=True))


@torch.no_grad()
def accuracies(
    model: MultiTaskModel,
    data: BatchDataset,
    usual: Mapping[str, Tensor],
    there: Mapping[str, Tensor] | None = None,
) -> dict[str, float]:
    """The accuracy of each task, of samples that have only what is ``there``.

    Args:
        model: In evaluation mode.
        data: Labelled throughout.
        usual: By task the commonest class in training, which is the answer for a sample of which the
            model sees nothing (a modality alone).
        there: By modality which samples have it; all by default.
    """
    names = model.fused_encoder.modalities
    whole = torch.ones(len(data), dtype=torch.bool)
    shown = dict.fromkeys(names, whole) if there is None else {m: there[m] for m in names}
    seen = torch.stack(list(shown.values())).any(0)
    answers = {t: y.repeat(len(data)) for t, y in usual.items() if t in model.tasks}
    for rows in seen.nonzero().squeeze(1).split(_BATCH):
        batch = data.batch.select(rows)
        present = {m: p[rows] for m, p in shown.items()}
        view = Batch.of(batch.inputs, masks=batch.masks, present=present)
        for task, output in model(view).items():
            answers[task][rows] = output.logits.argmax(1)
    return {t: (y == data.batch.targets[t]).float().mean().item() for t, y in answers.items()}


def describe(job: Mapping[str, Any]) -> str:
    """For the progress bar."""
    return f"{job['data']}: {job['name']} {job['how']}, seed {job['seed'] + 1}"
