"""Variation of genes: pure functions of genes and a random generator."""

from sennit.search.variation.crossover import crossover
from sennit.search.variation.mutation import mutate

__all__ = ["crossover", "mutate"]
