"""One training of `multitask_accuracy` on school, by its recipe: each school is a task."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks._multitask_plan import SINGLE, Case
from benchmarks._screen import Outcome
from sennit.recipes.school.config import Config
from sennit.recipes.school.single import train_once

# Networks for each school behind one encoder: in front of it there would be 139 encoders.
TRUNK = {"trunk": {"name": "mlp", "depth": 1}}
OPTIONS: dict[str, dict[str, Any]] = dict.fromkeys(
    ("cross_stitch", "nddr_cnn", "sluice", "soft_l2", "trace_norm"), TRUNK
)
ALONE = "soft_l2"  # with an encoder for each school, and without its penalty


def train(case: Case, folder: Path, settings: Mapping[str, Any], seed: int) -> Outcome:
    """Train the case on the split of the seed; one fit, whose settings are not chosen."""
    alone = case.sharing == SINGLE
    sharing = ALONE if alone else case.sharing
    options = {"strength": 0.0} if alone else OPTIONS.get(sharing, {})
    config = Config(
        data=folder,
        sharings=[sharing],
        sharing_options={sharing: options},
        weighting=case.weighting,
        balancing=case.balancing,
        own_settings={},
        **settings,
    )
    config.check()
    outcome = train_once(config, sharing, split_seed=seed, seed=seed)
    return {
        "validation": {"score": outcome.validation, "by_task": outcome.validation_by_task},
        "test": {"score": outcome.test, "by_task": outcome.test_by_task},
        "step_ms": 1e3 * outcome.seconds / outcome.steps,
        "steps": outcome.steps,
    }
