"""Strategies that propose the candidates of a search, one a file."""

from sennit.search.strategies._base import (
    Child,
    ChildSampler,
    Strategy,
    create_strategy,
    list_strategies,
    register_strategy,
)
from sennit.search.strategies.genetic import Genetic
from sennit.search.strategies.mfas import MFAS
from sennit.search.strategies.random import Random
from sennit.search.strategies.regularised_evolution import RegularisedEvolution

__all__ = [
    "MFAS",
    "Child",
    "ChildSampler",
    "Genetic",
    "Random",
    "RegularisedEvolution",
    "Strategy",
    "create_strategy",
    "list_strategies",
    "register_strategy",
]
