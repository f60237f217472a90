"""The trainings of `multitask_accuracy`: every method once, then the best on validation data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sennit.tasks import list_balancings, list_sharings, list_weightings

SINGLE = "single-task networks"
WITH_SHARINGS = ("equal", "uncertainty")
BEST = 3  # sharings in the finals, and weightings or balancings


@dataclass(frozen=True)
class Case:
    """One choice of methods on one data set; a network for each task alone where ``sharing`` is `SINGLE`."""

    data: str
    sharing: str = "hard"
    weighting: str = "equal"
    balancing: str | None = None

    @property
    def label(self) -> str:
        """Name in tables."""
        if self.sharing == SINGLE:
            return SINGLE
        return f"{self.sharing}, {self.weighting if self.balancing is None else self.balancing}"

    @property
    def kind(self) -> str:
        """Kind of the part that is compared."""
        if self.sharing == SINGLE:
            return "reference"
        return "sharing" if self.sharing != "hard" else "weighting" if self.balancing is None else "balancing"

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Return the training of a seed in JSON values; the settings distinguish it from one under others."""
        return {**asdict(self), "settings": dict(settings), "seed": seed}


def fixed_cases(data: str) -> list[Case]:
    """Return the cases that are always in the finals: those of the statements, and references."""
    hard = Case(data)
    return [
        Case(data, SINGLE),
        hard,
        replace(hard, weighting="uncertainty"),
        replace(hard, weighting="running_deviation"),
        Case(data, "cross_stitch"),
    ]


def screened(data: str, *, quick: bool = False) -> list[Case]:
    """Return each sharing under two weightings, and each weighting and balancing under hard sharing."""
    sharings, weightings = list_sharings(), list_weightings()
    balancings = [name for name in list_balancings() if name != "debiasing"]  # which needs an adversary
    if quick:
        sharings, weightings, balancings = ["hard", "mmoe"], ["equal"], ["pcgrad"]
    cases = fixed_cases(data)
    cases += [Case(data, sharing, weighting) for sharing in sharings for weighting in WITH_SHARINGS]
    cases += [Case(data, weighting=weighting) for weighting in weightings]
    cases += [Case(data, balancing=balancing) for balancing in balancings]
    return list(dict.fromkeys(cases))


def finalists(gains: Mapping[Case, float], data: str) -> list[Case]:
    """Return the cases for all seeds: the best by the gain on validation data, and `fixed_cases`.

    Only the better weighting of a sharing advances, so that the best are different sharings.

    Args:
        gains: Δm on validation data of the cases that could be trained; test figures are not used.
        data: Name of the data set.
    """
    candidates = {case: gain for case, gain in gains.items() if case.data == data and case.sharing != SINGLE}
    ranked = sorted(
        (case for case in candidates if math.isfinite(candidates[case])), key=lambda case: -candidates[case]
    )
    sharings: dict[str, Case] = {}
    for case in ranked:
        if case.weighting in WITH_SHARINGS and case.balancing is None:
            sharings.setdefault(case.sharing, case)
    steps = [case for case in ranked if case.sharing == "hard"]
    return list(dict.fromkeys([*fixed_cases(data), *list(sharings.values())[:BEST], *steps[:BEST]]))
