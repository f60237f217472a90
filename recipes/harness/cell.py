"""One cell of a table: choose on the validation data, train, test once."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from sennit.data import ResumableLoader
from sennit.recipes.command_line import Options
from sennit.recipes.harness.evaluate import batches, evaluate, modality_weights, without_each
from sennit.recipes.harness.recipe import C, Recipe, Splits
from sennit.recipes.harness.trainer import silence
from sennit.tasks import MultiTaskModel, fit
from sennit.tasks.training.fitting import Fitted

_BATCH = 512
_FIT_ON = 2000


def train_cell(recipe: Recipe[Any], config: Options, folder: Path, cell: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a cell, as `Recipe` says.

    Checkpoints lie in ``folder/training`` until the cell is done, so that a killed one goes on from
    its last.
    """
    row = cell["row"]
    if row in recipe.references(config):
        return recipe.run_reference(config, cell)
    modalities = recipe.modalities(config)
    names = (row,) if row in modalities else modalities
    data = recipe.data(config, names, cell["seed"])
    own = folder / "training" / "-".join(str(value) for value in cell.values())
    start = time.perf_counter()
    model, fitted, chosen = _choose(recipe, config, cell, names, data, own)
    seconds = time.perf_counter() - start
    model.eval()
    metrics = recipe.metrics(config)
    loader = batches(model, data.test, _BATCH)
    tasks = evaluate(model, loader, metrics)
    units = range(len(data.test)) if data.units is None else data.units
    result: dict[str, Any] = {
        "tasks": tasks,
        "units": [int(unit) for unit in units],
        "chosen": dict(chosen),
        "validation": fitted.best,
        "seconds": seconds,
        "steps": fitted.steps,
        "waiting": fitted.waiting,
    }
    if len(names) > 1:
        result["missing"] = without_each(model, loader, metrics)
        weights = modality_weights(model, loader, next(iter(tasks)))
        if weights is not None:
            result["weights"] = weights
    if recipe.keeps(config, cell):
        model.save_pretrained(folder / "checkpoints" / f"{row}-{cell['protocol']}")
    shutil.rmtree(own)
    return result


def _choose(
    recipe: Recipe[Any],
    config: Options,
    cell: Mapping[str, Any],
    names: Sequence[str],
    data: Splits,
    folder: Path,
) -> tuple[MultiTaskModel, Fitted, Mapping[str, Any]]:
    """Train each candidate; the model, its fit and its options with the best value on validation."""
    best: tuple[MultiTaskModel, Fitted, Mapping[str, Any]] | None = None
    for trial, changes in enumerate(recipe.candidates(config)):
        own = dataclasses.replace(config, **changes)
        torch.manual_seed(1000 * cell["seed"] + trial)
        fusion = "concat" if len(names) == 1 else cell["row"]
        model = recipe.build(own, names, fusion)
        fitted = train(recipe, own, model, data, folder / f"{trial}", seed=cell["seed"])
        if best is None or _value(fitted) > _value(best[1]):
            best = model, fitted, changes
    assert best is not None
    return best


def train(
    recipe: Recipe[Any], config: Options, model: MultiTaskModel, data: Splits, folder: Path, *, seed: int
) -> Fitted:
    """Fit the model quietly, from the folder's last checkpoint where there is one."""
    silence()
    collate = getattr(data.train, "collate", model.collate)
    some = ResumableLoader(
        data.train, batch_size=min(_FIT_ON, len(data.train)), collate_fn=collate, seed=seed
    )
    model.fit_preprocessing(next(iter(some)))
    loader = ResumableLoader(
        data.train,
        batch_size=min(config.batch_size, len(data.train)),
        collate_fn=collate,
        seed=seed,
        drop_last=True,
    )
    task, metric = next(iter(recipe.metrics(config).items()))
    with contextlib.redirect_stdout(io.StringIO()):
        return fit(
            recipe.learner(config, model),
            loader,
            batches(model, data.validation, _BATCH),
            folder=folder,
            monitor=recipe.monitor or f"val/{task}/{metric}",
            progress=False,
            resume=True,
            **recipe.training(config),
        )


class TrainedRecipe(Recipe[C]):
    """A recipe whose cells the harness trains."""

    def run_cell(self, config: C, folder: Path, cell: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of one cell; `Recipe` says what it has."""
        return train_cell(self, config, folder, cell)


def _value(fitted: Fitted) -> float:
    assert fitted.best is not None
    return fitted.best
