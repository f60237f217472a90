"""What every strategy of a search is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sennit.search.records import Record, Slot
from sennit.search.space import Genes, Space

from sennit.configurable import Configurable
from sennit.registry import Registry


@dataclass(frozen=True)
class Child:
    """Genes that a strategy proposes, and the slot of the candidate that they were made from."""

    genes: Genes
    parent: Slot | None = None


ChildSampler = Callable[[np.random.Generator], Child]


class Strategy(Configurable, ABC):
    """Proposes candidates, a generation at a time.

    A pure function of its options, the space, the history and the random generator: whatever it
    remembers between calls only saves time. So a search that was killed goes on as it would have.
    """

    @abstractmethod
    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        """What draws the candidates of a generation, one a call, each with a random generator of its own.

        Args:
            space: What to choose from.
            history: Every candidate of the generations before, in the order of their slots.
            generation: From 0.
            population: Candidates a generation.
            seed: Of the search, for what a whole generation has in common.
        """


STRATEGIES: Registry[Strategy] = Registry("strategy")
register_strategy = STRATEGIES.register


def create_strategy(name: str, **options: Any) -> Strategy:
    """Make a strategy by name: ``create_strategy("genetic")``."""
    return STRATEGIES.create(name, **options)


def list_strategies(pattern: str = "*") -> list[str]:
    """Names of the strategies that match a shell pattern."""
    return STRATEGIES.list(pattern)
