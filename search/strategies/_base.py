"""The base class of all strategies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sennit.configurable import Configurable
from sennit.registry import Registry
from sennit.search.flat_genes import Genes
from sennit.search.records import Record, Slot
from sennit.search.space import Space


@dataclass(frozen=True)
class Child:
    """Genes that a strategy proposes, and the slot of the candidate that they were derived from."""

    genes: Genes
    parent: Slot | None = None


ChildSampler = Callable[[np.random.Generator], Child]


class Strategy(Configurable, ABC):
    """A method of proposing candidates, one generation at a time.

    It is a pure function of its options, the space, the history and the random generator; any state that
    it keeps between calls only saves time. So a resumed search proposes the same candidates.
    """

    @abstractmethod
    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        """Return a function that proposes a candidate of a generation, given a random generator.

        Args:
            space: Space of the candidates.
            history: Candidates of all earlier generations, in the order of their slots.
            generation: Number of the generation, from 0.
            population: Number of candidates of a generation.
            seed: Random seed of the search, for decisions common to a whole generation.
        """


STRATEGIES: Registry[Strategy] = Registry("strategy")
register_strategy = STRATEGIES.register


def create_strategy(name: str, **options: Any) -> Strategy:
    """Make a strategy by name: ``create_strategy("genetic")``."""
    return STRATEGIES.create(name, **options)


def list_strategies(pattern: str = "*") -> list[str]:
    """Return the names of the strategies that match a shell pattern."""
    return STRATEGIES.list(pattern)
