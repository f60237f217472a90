"""Mutation."""

from __future__ import annotations

import numpy as np

from sennit.search.flat_genes import Choice, Genes
from sennit.search.space import Space


def mutate(space: Space, genes: Genes, rng: np.random.Generator) -> dict[str, Choice]:
    """Return the genes with one of them redrawn, uniformly among its other choices, or several if needed.

    Many genes of a flat genome have no effect in their context (β without the multiplicative merge):
    further genes change, in random order, until the canonical genome differs.

    Args:
        space: Space of the genes.
        genes: Genes to change.
        rng: Random generator for the genes to change and their values.

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
    choices = {name: options for name, options in space.genes.items() if len(options) > 1}
    names = list(choices)
    for i in rng.permutation(len(names)):
        name = names[i]
        others = [choice for choice in choices[name] if choice != genes[name]]
        child[name] = others[int(rng.integers(len(others)))]
        if space.decode(child) != before:
            break
    return child
