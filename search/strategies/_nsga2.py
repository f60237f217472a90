"""Optuna's NSGA-II on candidates that a search has evaluated."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from sennit.search.study.connection import quiet

Breed = Callable[[optuna.Study, dict[str, Any], list[FrozenTrial]], dict[str, Any]]


class _OneGeneration(NSGAIISampler):
    """NSGA-II whose generation 0 is the whole study, and whose next trials are of generation 1."""

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:
        return 1

    def get_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        return study.get_trials(deepcopy=False) if generation == 0 else []


class NSGA2:
    """Selection and breeding among candidates, which are given by the values of their objectives.

    Genes are not stored; the caller looks them up by trial number.

    Source: `optuna.samplers.NSGAIISampler`.

    Args:
        values: Values of the objectives of each candidate, all to be minimised.
        population: Size of the elite.
        breed: Function from the elite to the genes of a child.
    """

    def __init__(
        self, values: Sequence[Sequence[float]], population: int, breed: Breed | None = None
    ) -> None:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of child_generation_strategy
            self._sampler = _OneGeneration(population_size=population, child_generation_strategy=breed)
            self._study = optuna.create_study(directions=["minimize"] * len(values[0]), sampler=self._sampler)
        for of_candidate in values:
            # Optuna refuses NaN; a diverged candidate is the worst either way.
            finite = [math.inf if math.isnan(value) else value for value in of_candidate]
            self._study.add_trial(create_trial(values=finite))

    def elite(self) -> list[int]:
        """Return the indices of the elite, in ascending order."""
        return sorted(trial.number for trial in self._sampler.get_parent_population(self._study, 1))

    def child(self) -> dict[str, Any]:
        """Return the genes of a child of the elite."""
        trial = create_trial(state=TrialState.RUNNING)
        return self._sampler.sample_relative(self._study, trial, {})
