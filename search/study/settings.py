"""What a study is begun with, and is only gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from sennit.search.evaluator import Evaluator
from sennit.search.strategies._base import Strategy
from sennit.search.study.storage import Store

from sennit.registry import unknown_name

_MEANING = {"fingerprint": ": the data, the encoders, the tasks or how candidates are trained differ"}


def check_counts(*, heartbeat_s: float, **counts: int) -> None:
    """Refuse counts that are none.

    Raises:
        ValueError: It names the argument.
    """
    for argument, count in counts.items():
        if count < 1:
            raise ValueError(f"`{argument}` should be at least 1. Found {count}.")
    if not heartbeat_s > 0:
        raise ValueError(f"`heartbeat_s` should be above 0. Found {heartbeat_s}.")


def check_names(evaluator: Evaluator, objectives: Sequence[str], budgets: Mapping[str, float]) -> None:
    """Refuse objectives and budgets that the evaluator does not know.

    Raises:
        ValueError: It names what is unknown.
    """
    space = evaluator.space
    costs = evaluator.costs(space.decode(space.sample(np.random.default_rng(0))))
    known = ["error", *(f"error/{task}" for task in space.tasks), *costs]
    if not objectives or len(set(objectives)) < len(objectives):
        raise ValueError(f"`objectives` should be at least one, each once. Found {list(objectives)}.")
    for objective in objectives:
        if objective not in known:
            raise unknown_name("objective", objective, known)
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
) -> dict[str, Any]:
    """What a study must keep to from beginning to end, as JSON gives it back."""
    settings = {
        "space": evaluator.space.to_dict(),
        "strategy": strategy.config,
        "objectives": list(objectives),
        "budgets": dict(budgets),
        "population": population,
        "seed": seed,
        "fingerprint": evaluator.fingerprint,  # last: it tells least of what differs
    }
    return dict(json.loads(json.dumps(settings)))


def begin(store: Store, settings: dict[str, Any], workers: int) -> int:
    """Say what the study is begun with, or check that it was begun so; the slices of a generation.

    Raises:
        ValueError: It was begun otherwise.
    """
    begun = store.settings
    if begun is None:
        store.begin(settings | {"slices": workers, "sennit": version("sennit")})
        return workers
    for key, value in settings.items():
        if begun[key] != value:
            name, before, found = _difference(key, begun[key], value)
            meaning = _MEANING.get(name, "")
            raise ValueError(
                f"study '{store.name}' was begun with {name} {before}. Found {found}{meaning}. Go on with "
                "the former, or give the new search a name or a folder of its own."
            )
    return int(begun["slices"])


def _difference(name: str, begun: Any, found: Any) -> tuple[str, Any, Any]:
    """The first part that differs, by its dotted name."""
    if isinstance(begun, dict) and isinstance(found, dict) and begun.keys() == found.keys():
        key = next(key for key in found if begun[key] != found[key])
        return _difference(f"{name}.{key}", begun[key], found[key])
    return name, begun, found
