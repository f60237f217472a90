"""One job of a comparison: choose on the validation data, train, test once."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sennit.data import ResumableLoader
from sennit.recipes.command_line import Options
from sennit.recipes.harness.recipe import C, Recipe, Splits
from sennit.recipes.harness.scores import batches, modality_weights, scores_of, without_each
from sennit.tasks import Fitted, MultiTaskModel, evaluate, fit

_BATCH = 512
_FIT_ON = 2000


class TrainedRecipe(Recipe[C]):
    """A recipe whose jobs the harness trains."""

    def run_job(self, config: C, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of one job; `Recipe` says what it has."""
        return train_job(self, config, folder, job)


def train_job(recipe: Recipe[Any], config: Options, folder: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a job, as `Recipe` describes it.

    Checkpoints lie in ``folder/training`` until the job is done, so that a killed one resumes from its
    last.
    """
    row = job["row"]
    if row in recipe.references(config):
        return recipe.run_reference(config, job)
    modalities = recipe.modalities(config)
    names = (row,) if row in modalities else modalities
    data = recipe.data(config, names, job["seed"])
    training = folder / "training" / "-".join(str(value) for value in job.values())
    start = time.perf_counter()
    model, fitted, chosen = _choose(recipe, config, job, names, data, training)
    seconds = time.perf_counter() - start
    model.eval()
    metrics = recipe.metrics(config)
    loader = batches(model, data.test, _BATCH)
    tasks = scores_of(evaluate(model, loader), metrics)
    units = range(len(data.test)) if data.units is None else data.units
    result: dict[str, Any] = {
        "tasks": tasks,
        "units": [int(unit) for unit in units],
        "chosen": dict(chosen),
        "validation": fitted.best,
        "seconds": seconds,
        "steps": fitted.steps,
        "waiting": fitted.waiting,
        "left_out": _left_out(config, data.train),
    }
    if len(names) > 1:
        result["missing"] = without_each(model, loader, metrics)
        weights = modality_weights(model, loader, next(iter(tasks)))
        if weights is not None:
            result["weights"] = weights
    if recipe.keeps(config, job):
        model.save_pretrained(folder / "checkpoints" / f"{row}-{job['protocol']}")
    shutil.rmtree(training)
    return result


def _choose(
    recipe: Recipe[Any],
    config: Options,
    job: Mapping[str, Any],
    names: Sequence[str],
    data: Splits,
    folder: Path,
) -> tuple[MultiTaskModel, Fitted, Mapping[str, Any]]:
    """Train each candidate; return the model, the fit and the options of the best on validation data."""
    best: tuple[MultiTaskModel, Fitted, Mapping[str, Any]] | None = None
    for trial, changes in enumerate(recipe.candidates(config)):
        candidate = dataclasses.replace(config, **changes)
        torch.manual_seed(1000 * job["seed"] + trial)
        fusion = "concat" if len(names) == 1 else job["row"]
        model = recipe.build(candidate, names, fusion)
        fitted = train(recipe, candidate, model, data, folder / f"{trial}", seed=job["seed"])
        if best is None or _value(fitted) > _value(best[1]):
            best = model, fitted, changes
    assert best is not None
    return best


def train(
    recipe: Recipe[Any], config: Options, model: MultiTaskModel, data: Splits, folder: Path, *, seed: int
) -> Fitted:
    """Fit the model silently, from the folder's last checkpoint if it has one.

    Args:
        recipe: Recipe.
        config: Options.
        model: New model.
        data: Training and validation data.
        folder: Folder for checkpoints.
        seed: Random seed of the order of the samples.
    """
    collate = getattr(data.train, "collate", model.collate)
    first = ResumableLoader(
        data.train, batch_size=min(_FIT_ON, len(data.train)), collate_fn=collate, seed=seed
    )
    model.fit_preprocessing(next(iter(first)))
    loader = ResumableLoader(
        data.train,
        batch_size=min(config.batch_size, len(data.train)),
        collate_fn=collate,
        seed=seed,
        drop_last=True,
    )
    task, metric = next(iter(recipe.metrics(config).items()))
    return fit(
        recipe.learner(config, model),
        loader,
        batches(model, data.validation, _BATCH),
        folder=folder,
        monitor=recipe.monitor or f"val/{task}/{metric}",
        mode="max",  # as candidates and tables are compared; an error is refused
        progress=False,
        resume=True,
        **recipe.training(config),
    )


def _left_out(config: Options, data: Any) -> int:
    """Return the number of samples that each epoch leaves out, other ones each time."""
    return len(data) % min(config.batch_size, len(data))


def _value(fitted: Fitted) -> float:
    assert fitted.best is not None
    return fitted.best
