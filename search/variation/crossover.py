"""Cell-wise crossover."""

from __future__ import annotations

import numpy as np
from sennit.search.space import Choice, Genes, Space


def crossover(
    space: Space, first: Genes, second: Genes, rng: np.random.Generator, *, within: float = 0.0
) -> dict[str, Choice]:
    """A child of two parents: every group of `Space.groups` comes from the one or the other.

    What a cell does depends on all of its genes together (a tap is only as good as the operator that
    reads it), so those are inherited together, as blocks that have shown their worth.

    Args:
        space: Of the genes.
        first: Of one parent.
        second: Of the other.
        rng: Draws for each group with equal chances.
        within: The chance that a group is mixed gene by gene instead.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> space = Space.of({"a": create_encoder("mlp", 3)}, ["y"], cells=2)
        >>> rng = np.random.default_rng(0)
        >>> child = crossover(space, space.sample(rng), space.sample(rng), rng)
        >>> space.check(child)
    """
    child: dict[str, Choice] = {}
    for group in space.groups:
        mixed = rng.random() < within
        donors = rng.random(len(group) if mixed else 1) < 0.5
        for name, from_first in zip(group, np.broadcast_to(donors, len(group)), strict=True):
            child[name] = first[name] if from_first else second[name]
    return child
