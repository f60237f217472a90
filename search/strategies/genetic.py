"""Genetic search: NSGA-II with crossover and mutation that respect the cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sennit.search.flat_genes import Choice
from sennit.search.records import Proposal, Record, Slot
from sennit.search.space import Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy, register_strategy
from sennit.search.variation import crossover, mutate

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Values = tuple[float, ...]


@register_strategy("genetic")
class Genetic(Strategy):
    """Optuna's NSGA-II, with children made by `crossover` and `mutate`.

    The elite has as many members as a generation: the best of all earlier candidates by non-dominated
    sorting and crowding distance. A parent is the better of two members of the elite, drawn at random. A
    child has two parents or one, and is always mutated, so that it is never a copy. The first generations
    are drawn from the whole space: the children of one small generation resemble it too much, and fall
    behind random search at first (``benchmarks/results/search_quality.json``).

    Source: Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II";
    `optuna.samplers.NSGAIISampler`.

    Args:
        crossover: Probability that a child has two parents.
        within: Probability that a cell of such a child is mixed gene by gene.
        random_generations: Number of generations before the first with children.

    Raises:
        ValueError: A probability is not between 0 and 1, or there is no random generation.

    Example:
        >>> Genetic(crossover=0.5).config["crossover"]
        0.5
    """

    def __init__(self, crossover: float = 0.9, within: float = 0.1, random_generations: int = 2) -> None:
        for name, chance in {"crossover": crossover, "within": within}.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"`{name}` should be a probability, from 0 to 1. Found {chance}.")
        if random_generations < 1:
            raise ValueError(f"`random_generations` should be 1 or more. Found {random_generations}.")
        self.crossover = crossover
        self.within = within
        self.random_generations = random_generations
        # The elite, as indices into the history, is a function of the values alone.
        self._last_elite: tuple[int, list[Values], list[int]] = (0, [], [])

    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        if population < 2:
            raise ValueError(
                f"`population` should be at least 2: a child has two parents. Found {population}."
            )
        if generation < self.random_generations:
            return lambda rng: Child(space.sample(rng))
        from sennit.search.strategies._nsga2 import NSGA2

        values = [record.values for record in history]
        generations = [record.proposal.slot[0] for record in history]
        starts = [i for i, g in enumerate(generations) if i == 0 or g != generations[i - 1]]
        pool = [*self._elite(values[: starts[-1]], starts, population), *range(starts[-1], len(values))]
        breed = _Breeding(self, space, [history[i] for i in pool])
        nsga2 = NSGA2([values[i] for i in pool], population, breed)

        def sample_child(rng: np.random.Generator) -> Child:
            breed.rng = rng
            genes = nsga2.child()
            return Child(genes, breed.parent)

        return sample_child

    def _elite(self, values: list[Values], starts: list[int], population: int) -> list[int]:
        """Return the indices of the best of ``values``, generation after generation."""
        from sennit.search.strategies._nsga2 import NSGA2

        size, seen, elite = self._last_elite
        if size != population or values[: len(seen)] != seen:
            seen, elite = [], []
        for start, end in itertools.pairwise(starts):
            if start >= len(seen):
                pool = [*elite, *range(start, end)]
                best = NSGA2([values[i] for i in pool], population).elite()
                elite = sorted(pool[i] for i in best)
        self._last_elite = population, values, elite
        return elite


class _Breeding:
    """The ``child_generation_strategy`` of Optuna's sampler: makes a child of the elite.

    Attributes:
        rng: Random generator for the next child.
        parent: Slot of the first parent of the last child.
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
        first = self._select_parent(elite)
        genes = first.genes
        if self.rng.random() < self.options.crossover:
            second = self._select_parent(elite)
            genes = crossover(self.space, genes, second.genes, self.rng, within=self.options.within)
        self.parent = first.slot
        return mutate(self.space, genes, self.rng)

    def _select_parent(self, elite: list[FrozenTrial]) -> Proposal:
        one, other = (elite[int(i)] for i in self.rng.integers(len(elite), size=2))
        pairs = list(zip(other.values, one.values, strict=True))
        dominates = all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
        return self.records[(other if dominates else one).number].proposal
