"""Mutation."""

from __future__ import annotations

import numpy as np
from sennit.search.space import Choice, Genes, Space


def mutate(space: Space, genes: Genes, rng: np.random.Generator) -> dict[str, Choice]:
    """Genes of which one is redrawn, uniformly among its other choices, or more than one where it must be.

    Many genes of a flat genome are of no consequence where they are (β without the multiplicative merge):
    further ones change, in an order drawn at random, until the canonical genome is another.

    Args:
        space: Of the genes.
        genes: To start from.
        rng: Draws which genes, and their values.

    Example:
        >>> from sennit.encoders import create_encoder
        >>> space = Space.of({"a": create_encoder("mlp", 3)}, ["y"], cells=2)
        >>> rng = np.random.default_rng(0)
        >>> genes = space.sample(rng)
        >>> space.decode(mutate(space, genes, rng)) == space.decode(genes)
        False
    """
    before = space.decode(genes)
    child = dict(genes)
    choices = {name: known for name, known in space.genes.items() if len(known) > 1}
    names = list(choices)
    for place in rng.permutation(len(names)):
        name = names[place]
        others = [choice for choice in choices[name] if choice != genes[name]]
        child[name] = others[int(rng.integers(len(others)))]
        if space.decode(child) != before:
            break
    return child
