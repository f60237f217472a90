"""What `multitask_accuracy` trains: every method once, and then what was best on validation data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sennit.tasks import list_balancings, list_sharings, list_weightings

SINGLE = "single-task networks"
WITH_SHARINGS = ("equal", "uncertainty")
BEST = 3  # of the sharings, and of the weightings and balancings


@dataclass(frozen=True)
class Case:
    """One choice of methods on one data set; a network for each task alone where ``sharing`` is `SINGLE`."""

    data: str
    sharing: str = "hard"
    weighting: str = "equal"
    balancing: str | None = None

    @property
    def label(self) -> str:
        """Its name in tables."""
        if self.sharing == SINGLE:
            return SINGLE
        return f"{self.sharing}, {self.weighting if self.balancing is None else self.balancing}"

    @property
    def kind(self) -> str:
        """Which of its parts is being compared."""
        if self.sharing == SINGLE:
            return "reference"
        return "sharing" if self.sharing != "hard" else "weighting" if self.balancing is None else "balancing"

    def job(self, settings: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """The training of a seed, in JSON values; the settings tell it from one under others."""
        return {**asdict(self), "settings": dict(settings), "seed": seed}


def fixed_cases(data: str) -> list[Case]:
    """What is in the finals wherever it stands: what statements are made about, and references."""
    hard = Case(data)
    return [
        Case(data, SINGLE),
        hard,
        replace(hard, weighting="uncertainty"),
        replace(hard, weighting="running_deviation"),
        Case(data, "cross_stitch"),
    ]


def screened(data: str, *, quick: bool = False) -> list[Case]:
    """Each sharing under two weightings, and each weighting and each balancing under hard sharing."""
    sharings, weightings, balancings = list_sharings(), list_weightings(), list_balancings()
    if quick:
        sharings, weightings, balancings = ["hard", "mmoe"], ["equal"], ["pcgrad"]
    cases = fixed_cases(data)
    cases += [Case(data, sharing, weighting) for sharing in sharings for weighting in WITH_SHARINGS]
    cases += [Case(data, weighting=weighting) for weighting in weightings]
    cases += [Case(data, balancing=balancing) for balancing in balancings]
    return list(dict.fromkeys(cases))


def finalists(gains: Mapping[Case, float], data: str) -> list[Case]:
    """What goes on to all seeds: the best by the gain on validation data, and `fixed_cases`.

    Of a sharing only its better weighting goes on, so that the best are as many sharings.

    Args:
        gains: Δm on validation data of what could be trained; test figures have no place here.
        data: Name of the data set.
    """
    own = {case: gain for case, gain in gains.items() if case.data == data and case.sharing != SINGLE}
    ranked = sorted((case for case in own if math.isfinite(own[case])), key=lambda case: -own[case])
    sharings: dict[str, Case] = {}
    for case in ranked:
        if case.weighting in WITH_SHARINGS and case.balancing is None:
            sharings.setdefault(case.sharing, case)
    steps = [case for case in ranked if case.sharing == "hard"]
    return list(dict.fromkeys([*fixed_cases(data), *list(sharings.values())[:BEST], *steps[:BEST]]))
