"""Regularised evolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sennit.search.records import Record
from sennit.search.space import Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy, register_strategy
from sennit.search.variation import mutate


@register_strategy("regularised_evolution")
class RegularisedEvolution(Strategy):
    """Ageing evolution: the best of a sample of the queue is mutated, and the oldest leave the queue.

    Only the first objective counts. Every candidate leaves the queue in time, however good, so that a lucky
    one does not breed for ever; the search still remembers the best of the whole history. A generation
    enters the queue at once, as it would with many workers.

    Source: Real et al. 2019, "Regularized Evolution for Image Classifier Architecture Search" (algorithm 1);
    the defaults are the paper's.

    Args:
        queue: Number of candidates that may breed: the latest.
        sample: Number of candidates drawn from the queue, with replacement, for each tournament.

    Raises:
        ValueError: One of the two is below 1.

    Example:
        >>> RegularisedEvolution(sample=10).config
        {'name': 'regularised_evolution', 'queue': 100, 'sample': 10}
    """

    def __init__(self, queue: int = 100, sample: int = 25) -> None:
        for name, value in {"queue": queue, "sample": sample}.items():
            if value < 1:
                raise ValueError(f"`{name}` should be at least 1. Found {value}.")
        self.queue = queue
        self.sample = sample

    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        if not history:
            return lambda rng: Child(space.sample(rng))
        alive = history[-self.queue :]
        errors = np.nan_to_num([record.values[0] for record in alive], nan=np.inf, posinf=np.inf)

        def sample_child(rng: np.random.Generator) -> Child:
            drawn = rng.integers(len(alive), size=self.sample)
            parent = alive[drawn[np.argmin(errors[drawn])]].proposal
            return Child(mutate(space, parent.genes, rng), parent.slot)

        return sample_child
