"""One training of `multitask_accuracy` on avdigits, by its recipe with smaller networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks._multitask_plan import SINGLE, Case
from benchmarks._screen import Outcome, take_steps
from benchmarks._small_avdigits import RECIPE
from sennit.data import ResumableLoader
from sennit.recipes.avdigits.config import Config
from sennit.recipes.avdigits.data import MODALITIES
from sennit.recipes.avdigits.recipe import single_task
from sennit.recipes.harness import batches
from sennit.tasks import evaluate
from sennit.tasks.analysis.affinity import error_affinity
from sennit.tasks.training.growing import grow

FUSION = "concat"
_BATCH, _FIT_ON = 500, 2000


def train(case: Case, folder: Path, settings: Mapping[str, Any], seed: int) -> Outcome:
    """Train the case; the weights are those of the last step, so nothing is chosen on validation data."""
    if case.sharing == SINGLE:
        config = Config(data=folder, **settings)
        models = [_train(single_task(config, task), seed) for task in config.tasks]
    else:
        methods: dict[str, Any] = {
            "sharing": case.sharing,
            "weighting": case.weighting,
            "balancing": case.balancing,
        }
        models = [_train(Config(data=folder, **settings, **methods), seed)]
    outcome: Outcome = {"step_ms": sum(part["step_ms"] for part in models), "steps": models[0]["steps"]}
    for side in ("validation", "test"):
        by_task = {task: score for part in models for task, score in part[side].items()}
        outcome[side] = {"score": fmean(by_task.values()), "by_task": by_task}
    return outcome


def _train(config: Config, seed: int) -> Outcome:
    torch.manual_seed(seed)
    model = RECIPE.build(config, MODALITIES, FUSION)
    data = RECIPE.data(config, MODALITIES, seed)
    loader = ResumableLoader(
        data.train, batch_size=config.batch_size, collate_fn=data.train.collate, seed=seed, drop_last=True
    )
    model.fit_preprocessing(next(iter(batches(model, data.train, _FIT_ON))))
    epochs = config.epochs
    if config.sharing == "adaptive":  # one trunk for half of the epochs, then a tree
        epochs = max(1, epochs // 2)
        take_steps(RECIPE.learner(config, model), loader, steps=epochs * len(loader))
        model = grow(model, error_affinity(model, batches(model, data.train, _BATCH)))
    step_ms = take_steps(RECIPE.learner(config, model), loader, steps=epochs * len(loader))
    sides = {
        side: evaluate(model, batches(model, dataset, _BATCH), answers=False).metrics
        for side, dataset in (("validation", data.validation), ("test", data.test))
    }
    names = RECIPE.metrics(config)
    return {
        **{side: {t: values[t][names[t]] for t in values} for side, values in sides.items()},
        "step_ms": step_ms,
        "steps": config.epochs * len(loader),
    }
