"""Genetic search: NSGA-II with operators that know what a cell is."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sennit.search.records import Proposal, Record, Slot
from sennit.search.space import Choice, Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy, register_strategy
from sennit.search.study.connection import quiet
from sennit.search.variation import crossover, mutate

if TYPE_CHECKING:
    from optuna import Study
    from optuna.samplers import NSGAIISampler
    from optuna.trial import FrozenTrial

Values = tuple[float, ...]


@register_strategy("genetic")
class Genetic(Strategy):
    """NSGA-II as optuna has it, whose children are made by `crossover` and `mutate`.

    The elite, as many as a generation, is the best of all that came before by non-dominated sorting and
    crowding distance. A parent is the better of two of the elite, drawn at random. A child has two
    parents, or else one, and is always mutated, so it is never a copy. The first generations are drawn
    from the whole space: the children of one small generation are too much like it, and fall behind random
    search until they are not (``benchmarks/results/search_quality.json``).

    Source: Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II";
    `optuna.samplers.NSGAIISampler`.

    Args:
        crossover: The chance that a child has two parents.
        within: The chance that a cell of such a child is mixed gene by gene.
        random_generations: Generations before the first with children.

    Raises:
        ValueError: A chance is not between 0 and 1, or there is no random generation.

    Example:
        >>> Genetic(crossover=0.5).config["crossover"]
        0.5
    """

    def __init__(self, crossover: float = 0.9, within: float = 0.1, random_generations: int = 2) -> None:
        for name, chance in {"crossover": crossover, "within": within}.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"`{name}` should be a chance, from 0 to 1. Found {chance}.")
        if random_generations < 1:
            raise ValueError(f"`random_generations` should be 1 or more. Found {random_generations}.")
        self.crossover = crossover
        self.within = within
        self.random_generations = random_generations
        # The elite, as places in the history, is a function of the values alone.
        self._seen: tuple[int, list[Values], list[int]] = (0, [], [])

    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        if population < 2:
            raise ValueError(
                f"`population` should be at least 2: a child has two parents. Found {population}."
            )
        if generation < self.random_generations:
            return lambda rng: Child(space.sample(rng))
        from optuna.trial import TrialState, create_trial

        values = [record.values for record in history]
        generations = [record.proposal.slot[0] for record in history]
        starts = [i for i, g in enumerate(generations) if i == 0 or g != generations[i - 1]]
        pool = [*self._elite(values[: starts[-1]], starts, population), *range(starts[-1], len(values))]
        breed = _Breeding(self, space, [history[i] for i in pool])
        sampler, study = _finished([values[i] for i in pool], population, breed)
        child = create_trial(state=TrialState.RUNNING, system_attrs={sampler._get_generation_key(): 1})

        def draw(rng: np.random.Generator) -> Child:
            breed.rng = rng
            genes = sampler.sample_relative(study, child, {})
            return Child(genes, breed.parent)

        return draw

    def _elite(self, values: list[Values], starts: list[int], population: int) -> list[int]:
        """BlockLayout of the best of what is in `values`, generation after generation."""
        known, seen, elite = self._seen
        if known != population or values[: len(seen)] != seen:
            seen, elite = [], []
        for start, end in itertools.pairwise(starts):
            if start >= len(seen):
                pool = [*elite, *range(start, end)]
                sampler, study = _finished([values[i] for i in pool], population)
                elite = sorted(pool[trial.number] for trial in sampler.get_parent_population(study, 1))
        self._seen = population, values, elite
        return elite


class _Breeding:
    """Makes a child of the elite, as optuna's `child_generation_strategy`.

    Attributes:
        rng: For the next child.
        parent: The slot of the first parent of the last one.
    """

    rng: np.random.Generator
    parent: Slot

    def __init__(self, options: Genetic, space: Space, records: Sequence[Record]) -> None:
        self.options = options
        self.space = space
        self.records = records

    def __call__(
        self, study: Study, search_space: dict[str, Any], elite: list[FrozenTrial]
    ) -> dict[str, Choice]:
        first = self._parent(elite)
        genes = first.genes
        if self.rng.random() < self.options.crossover:
            genes = crossover(
                self.space, genes, self._parent(elite).genes, self.rng, within=self.options.within
            )
        self.parent = first.slot
        return mutate(self.space, genes, self.rng)

    def _parent(self, elite: list[FrozenTrial]) -> Proposal:
        one, other = (elite[int(i)] for i in self.rng.integers(len(elite), size=2))
        pairs = list(zip(other.values, one.values, strict=True))
        better = all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
        return self.records[(other if better else one).number].proposal


def _finished(
    values: Sequence[Values], population: int, breed: _Breeding | None = None
) -> tuple[NSGAIISampler, Study]:
    """A study in memory whose generation 0 is over; genes are left out, being looked up by trial numbers."""
    import optuna
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import NSGAIISampler

    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of child_generation_strategy
        sampler = NSGAIISampler(population_size=population, child_generation_strategy=breed)
        study = optuna.create_study(directions=["minimize"] * len(values[0]), sampler=sampler)
    label = {sampler._get_generation_key(): 0}
    for own in values:
        # optuna knows no NaN; what diverged is the worst either way.
        known = [math.inf if math.isnan(value) else value for value in own]
        study.add_trial(optuna.trial.create_trial(values=known, system_attrs=label))
    return sampler, study
