"""One training of `multitask_accuracy` on tox21, by its recipe, of fingerprints: each assay is a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from sennit.recipes.tox21.config import Config
from sennit.recipes.tox21.fitting import fit, fit_alone

from benchmarks._multitask_plan import SINGLE, Case
from benchmarks._screen import Outcome

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
    found = fit_alone(config, seed=seed) if alone else fit(config, MODALITIES, seed=seed)
    networks = len(found.test) if alone else 1  # a step of every one is as many
    return {
        **{
            side: {"score": fmean(own.values()), "by_task": dict(own)}
            for side, own in (("validation", found.validation), ("test", found.test))
        },
        "step_ms": 1e3 * found.seconds * networks / found.steps,
        "steps": found.steps // networks,
    }
