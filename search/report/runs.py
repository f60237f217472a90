"""What the records of a search come to."""

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
    """What a strategy spent.

    Args:
        candidates: All that were proposed.
        trained: Those that were paid for.
        copied: Those equal to an earlier one.
        diverged: Those whose error is not finite, of the trained.
        seconds: Of training.
        epochs: Of training.
    """

    candidates: int
    trained: int
    copied: int
    diverged: int
    seconds: float
    epochs: int


def cost_of(records: Sequence[Record]) -> Cost:
    """What was spent on the records."""
    paid = paid_for(records)
    return Cost(
        candidates=len(records),
        trained=len(paid),
        copied=len(records) - len(paid),
        diverged=sum(not is_finite(r) for r in paid),
        seconds=sum(r.evaluation.seconds for r in paid),
        epochs=sum(r.evaluation.epochs for r in paid),
    )


def is_finite(record: Record) -> bool:
    """Whether the candidate did not diverge."""
    return math.isfinite(record.evaluation.error) and all(math.isfinite(v) for v in record.values)


def paid_for(records: Sequence[Record]) -> list[Record]:
    """Those that were trained, in their order."""
    return [r for r in records if r.copied_from is None]


def best_of(records: Sequence[Record]) -> Record | None:
    """The one of the lowest mean error; None where all diverged."""
    return min((r for r in records if is_finite(r)), key=lambda r: r.evaluation.error, default=None)


def front_of(records: Sequence[Record]) -> list[Record]:
    """Those that no other beats, by all objectives."""
    finite = [r for r in records if is_finite(r)]
    return [finite[i] for i in pareto_front([r.values for r in finite])]


def main_of(runs: Runs) -> str:
    """The strategy that a report is about: the first that is not random search."""
    return next((name for name in runs if name != RANDOM), next(iter(runs)))


def generations_of(records: Sequence[Record]) -> dict[int, list[Record]]:
    """The records of each generation."""
    found: dict[int, list[Record]] = {}
    for record in records:
        found.setdefault(record.proposal.slot[0], []).append(record)
    return found


def hypervolumes(runs: Runs, objectives: Sequence[str]) -> dict[str, list[float]]:
    """For each strategy the hypervolume of the first two objectives after every generation.

    A share of the rectangle that all candidates of all strategies span, costs on a log scale.

    Example:
        >>> hypervolumes({"random": []}, ["error", "parameters"])
        {'random': []}
    """
    scales = [_scale(runs, k, objectives[k]) for k in range(2)]
    found: dict[str, list[float]] = {}
    for name, records in runs.items():
        kept: list[tuple[float, float]] = []
        found[name] = []
        for own in generations_of(records).values():
            kept += [(scales[0](r.values[0]), scales[1](r.values[1])) for r in own if is_finite(r)]
            kept = [kept[i] for i in pareto_front(kept)]
            found[name].append(hypervolume(kept, (1.0, 1.0)))
    return found


def _scale(runs: Runs, place: int, objective: str) -> Callable[[float], float]:
    values = [r.values[place] for records in runs.values() for r in records if is_finite(r)]
    log = on_log_scale(objective, values)
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low == high:
        return lambda value: 0.0
    if log:
        return lambda value: math.log(value / low) / math.log(high / low)
    return lambda value: (value - low) / (high - low)


def on_log_scale(objective: str, values: Sequence[float]) -> bool:
    """Whether an objective spans orders of magnitude: costs do, errors do not."""
    return not is_error(objective) and all(v > 0 for v in values)


def is_error(objective: str) -> bool:
    """Whether an objective is an error rather than a cost."""
    return objective == "error" or objective.startswith("error/")
