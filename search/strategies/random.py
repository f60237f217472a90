"""Random search."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.search.records import Record
from sennit.search.space import Space
from sennit.search.strategies._base import Child, ChildSampler, Strategy, register_strategy


@register_strategy("random")
class Random(Strategy):
    """Random search: every gene is uniform among its choices; the baseline of all other strategies.

    Source: Li and Talwalkar 2019, "Random Search and Reproducibility for Neural Architecture Search".

    Example:
        >>> import numpy as np
        >>> from sennit.encoders import create_encoder
        >>> space = Space.of({"a": create_encoder("mlp", 3)}, ["y"])
        >>> sample_child = Random().prepare(space, [], 0, population=8, seed=0)
        >>> space.check(sample_child(np.random.default_rng(0)).genes)
    """

    def prepare(
        self, space: Space, history: Sequence[Record], generation: int, *, population: int, seed: int
    ) -> ChildSampler:
        return lambda rng: Child(space.sample(rng))
