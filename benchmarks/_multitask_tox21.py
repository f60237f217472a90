"""One training of `multitask_accuracy` on tox21, by its recipe, of fingerprints: each assay is a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks._multitask_plan import SINGLE, Case
from benchmarks._screen import Outcome
from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.fitting import train as train_all
from sennit.recipes.tox21.fitting import train_alone

MODALITIES = ("fingerprint",)


def train(case: Case, folder: Path, settings: Mapping[str, Any], seed: int) -> Outcome:
    """Train the case; the weights are those of the last step."""
    alone = case.sharing == SINGLE
    methods: dict[str, Any] = {
        "sharing": case.sharing,
        "weighting": case.weighting,
        "balancing": case.balancing,
    }
    config = Config(data=folder, **settings, **({} if alone else methods))
    config.check()
    trained = train_alone(config, seed=seed) if alone else train_all(config, MODALITIES, seed=seed)
    networks = len(trained.test) if alone else 1  # one step is a step of each network
    return {
        **{
            side: {"score": fmean(by_assay.values()), "by_task": dict(by_assay)}
            for side, by_assay in (("validation", trained.validation), ("test", trained.test))
        },
        "step_ms": 1e3 * trained.watch.seconds * networks / trained.steps,
        "steps": trained.steps // networks,
    }
