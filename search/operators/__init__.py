"""How genes are recombined and changed, one operator a file: pure functions of genes and a generator."""

from sennit.search.operators.crossover import crossover
from sennit.search.operators.mutation import mutate

__all__ = ["crossover", "mutate"]
