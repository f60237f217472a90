"""How genes are recombined and changed, one operator a file: pure functions of genes and a generator."""

from fusion.search.operators.crossover import crossover
from fusion.search.operators.mutation import mutate

__all__ = ["crossover", "mutate"]
