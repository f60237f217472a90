"""Cell-wise crossover."""

from __future__ import annotations

import numpy as np

from sennit.search.flat_genes import Choice, Genes
from sennit.search.space import Space


def crossover(
    space: Space, first: Genes, second: Genes, rng: np.random.Generator, *, within: float = 0.0
) -> dict[str, Choice]:
    """Return the genes of a child that takes each group of `Space.groups` from one of two parents.

    The effect of a cell depends on all of its genes together (a tap is only as good as the operator that
    combines it), so these are inherited together.

    Args:
        space: Space of the genes.
        first: Genes of one parent.
        second: Genes of the other parent.
        rng: Random generator; each group comes from either parent with equal probability.
        within: Probability that a group is mixed gene by gene instead.

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
