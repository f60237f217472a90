"""How genes are recombined and changed, one operator a file: pure functions of genes and a generator."""

from sennit.search.variation.crossover import crossover
from sennit.search.variation.mutation import mutate

__all__ = ["crossover", "mutate"]
