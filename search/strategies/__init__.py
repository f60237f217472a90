"""How a search proposes candidates, one strategy a file."""

from fusion.search.strategies._base import (
    Child,
    Draw,
    Strategy,
    create_strategy,
    list_strategies,
    register_strategy,
)
from fusion.search.strategies.genetic import Genetic
from fusion.search.strategies.mfas import MFAS
from fusion.search.strategies.random import Random
from fusion.search.strategies.regularised_evolution import RegularisedEvolution

__all__ = [
    "MFAS",
    "Child",
    "Draw",
    "Genetic",
    "Random",
    "RegularisedEvolution",
    "Strategy",
    "create_strategy",
    "list_strategies",
    "register_strategy",
]
