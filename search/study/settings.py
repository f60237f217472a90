"""Settings that must not change when a study resumes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from sennit.fusion.cell.genome import Genome
from sennit.registry import unknown_name
from sennit.search.evaluator import Evaluator
from sennit.search.strategies._base import Strategy
from sennit.search.study.storage import Store

_EXPLANATION = {"fingerprint": ": the data, the encoders, the tasks or how candidates are trained differ"}


def check_counts(*, heartbeat_s: float, **counts: int) -> None:
    """Refuse counts below 1.

    Raises:
        ValueError: An argument is out of range; it is named.
    """
    for argument, count in counts.items():
        if count < 1:
            raise ValueError(f"`{argument}` should be at least 1. Found {count}.")
    if not heartbeat_s > 0:
        raise ValueError(f"`heartbeat_s` should be above 0. Found {heartbeat_s}.")


def check_names(evaluator: Evaluator, objectives: Sequence[str], budgets: Mapping[str, float]) -> None:
    """Refuse objectives and budgets that the evaluator does not have.

    Raises:
        ValueError: A name is unknown or repeated.
    """
    space = evaluator.space
    costs = evaluator.costs(space.decode(space.sample(np.random.default_rng(0))))
    names = ["error", *(f"error/{task}" for task in space.tasks), *costs]
    if not objectives or len(set(objectives)) < len(objectives):
        raise ValueError(f"`objectives` should hold at least one name, each once. Found {list(objectives)}.")
    for objective in objectives:
        if objective not in names:
            raise unknown_name("objective", objective, names)
    for budget in budgets:
        if budget not in costs:
            raise unknown_name("cost in `budgets`", budget, costs)


def settings_of(
    evaluator: Evaluator,
    strategy: Strategy,
    objectives: Sequence[str],
    budgets: Mapping[str, float],
    population: int,
    seed: int,
    start: Sequence[Genome] = (),
) -> dict[str, Any]:
    """Return the settings that a study keeps to the end, as plain JSON values."""
    settings = {
        "space": evaluator.space.to_dict(),
        "strategy": strategy.config,
        "objectives": list(objectives),
        "budgets": dict(budgets),
        "population": population,
        "seed": seed,
        "start": [genome.key for genome in start],
        "fingerprint": evaluator.fingerprint,  # last: it says least about the difference
    }
    return dict(json.loads(json.dumps(settings)))


def begin(store: Store, settings: dict[str, Any], workers: int) -> int:
    """Store the settings of a new study, or check those of an old one; return the slices of a generation.

    Raises:
        ValueError: The study was started with other settings; the difference is named.
    """
    stored = store.settings
    if stored is None:
        store.begin(settings | {"slices": workers, "sennit": version("sennit")})
        return workers
    for key, value in settings.items():
        if stored.get(key) != value:
            name, before, given = _difference(key, stored.get(key), value)
            explanation = _EXPLANATION.get(name, "")
            raise ValueError(
                f"study '{store.name}' was started with {name} {before}. Found {given}{explanation}. Resume "
                "with the former, or give the new search another name or folder."
            )
    return int(stored["slices"])


def _difference(name: str, stored: Any, given: Any) -> tuple[str, Any, Any]:
    """Return the first difference, with its dotted name."""
    if isinstance(stored, dict) and isinstance(given, dict) and stored.keys() == given.keys():
        key = next(key for key in given if stored[key] != given[key])
        return _difference(f"{name}.{key}", stored[key], given[key])
    return name, stored, given
