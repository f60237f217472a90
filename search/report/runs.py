"""Summaries of the records of searches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sennit.search.pareto import hypervolume, pareto_front
from sennit.search.records import Record

Runs = Mapping[str, Sequence[Record]]
RANDOM = "random"


@dataclass(frozen=True)
class Cost:
    """The cost of a strategy.

    Args:
        candidates: Number of candidates proposed.
        trained: Number of candidates trained.
        copied: Number of candidates equal to an earlier one, whose result was copied.
        diverged: Number of trained candidates whose error is not finite.
        seconds: Training time.
        epochs: Number of training epochs.
    """

    candidates: int
    trained: int
    copied: int
    diverged: int
    seconds: float
    epochs: int


def cost_of(records: Sequence[Record]) -> Cost:
    """Return the cost of the records."""
    trained = trained_of(records)
    return Cost(
        candidates=len(records),
        trained=len(trained),
        copied=len(records) - len(trained),
        diverged=sum(not is_finite(r) for r in trained),
        seconds=sum(r.evaluation.seconds for r in trained),
        epochs=sum(r.evaluation.epochs for r in trained),
    )


def is_finite(record: Record) -> bool:
    """Return whether the candidate did not diverge."""
    return math.isfinite(record.evaluation.error) and all(math.isfinite(v) for v in record.values)


def trained_of(records: Sequence[Record]) -> list[Record]:
    """Return the records that were trained, not copied, in their order."""
    return [r for r in records if r.copied_from is None]


def best_of(records: Sequence[Record]) -> Record | None:
    """Return the record of lowest mean error; None if all diverged."""
    return min((r for r in records if is_finite(r)), key=lambda r: r.evaluation.error, default=None)


def front_of(records: Sequence[Record]) -> list[Record]:
    """Return the non-dominated records, by all objectives."""
    finite = [r for r in records if is_finite(r)]
    return [finite[i] for i in pareto_front([r.values for r in finite])]


def main_of(runs: Runs) -> str:
    """Return the strategy that a report is about: the first that is not random search."""
    return next((name for name in runs if name != RANDOM), next(iter(runs)))


def generations_of(records: Sequence[Record]) -> dict[int, list[Record]]:
    """Group records by generation."""
    generations: dict[int, list[Record]] = {}
    for record in records:
        generations.setdefault(record.proposal.slot[0], []).append(record)
    return generations


def hypervolumes(runs: Runs, objectives: Sequence[str]) -> dict[str, list[float]]:
    """Return each strategy's hypervolume of the first two objectives after every generation.

    It is a share of the rectangle that all candidates of all strategies span, with costs on a log scale.

    Example:
        >>> hypervolumes({"random": []}, ["error", "parameters"])
        {'random': []}
    """
    scales = [_scale(runs, k, objectives[k]) for k in range(2)]
    volumes: dict[str, list[float]] = {}
    for name, records in runs.items():
        front: list[tuple[float, float]] = []
        volumes[name] = []
        for generation in generations_of(records).values():
            front += [(scales[0](r.values[0]), scales[1](r.values[1])) for r in generation if is_finite(r)]
            front = [front[i] for i in pareto_front(front)]
            volumes[name].append(hypervolume(front, (1.0, 1.0)))
    return volumes


def _scale(runs: Runs, index: int, objective: str) -> Callable[[float], float]:
    values = [r.values[index] for records in runs.values() for r in records if is_finite(r)]
    log = on_log_scale(objective, values)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return lambda value: 0.0
    if log:
        return lambda value: math.log(value / low) / math.log(high / low)
    return lambda value: (value - low) / (high - low)


def on_log_scale(objective: str, values: Sequence[float]) -> bool:
    """Return whether an objective spans orders of magnitude: costs do, errors do not."""
    return not is_error(objective) and all(v > 0 for v in values)


def is_error(objective: str) -> bool:
    """Return whether an objective is an error rather than a cost."""
    return objective == "error" or objective.startswith("error/")
