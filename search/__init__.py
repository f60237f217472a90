"""A search for the fusion of a given problem."""

from fusion.cell.genome import Cell, Genome
from fusion.search.evaluator import Evaluator, Objective
from fusion.search.records import Evaluation, Proposal, Record
from fusion.search.search import SearchResult, search
from fusion.search.space import Space
from fusion.search.stack.costs import count_costs, measure_latency_ms
from fusion.search.stack.evaluator import StackedEvaluator
from fusion.search.stack.training import Training
from fusion.search.strategies import Strategy, create_strategy, list_strategies, register_strategy
from fusion.search.study.study import run_search
from fusion.search.taps.cache import TapCache, cache_taps

__all__ = [
    "Cell",
    "Evaluation",
    "Evaluator",
    "Genome",
    "Objective",
    "Proposal",
    "Record",
    "SearchResult",
    "Space",
    "StackedEvaluator",
    "Strategy",
    "TapCache",
    "Training",
    "cache_taps",
    "count_costs",
    "create_strategy",
    "list_strategies",
    "measure_latency_ms",
    "register_strategy",
    "run_search",
    "search",
]
