"""A search for the fusion of a given problem."""

from sennit.fusion.cell.genome import Cell, Genome
from sennit.search.batched.costs import count_costs, measure_latency_ms
from sennit.search.batched.evaluator import StackedEvaluator
from sennit.search.batched.training import Training
from sennit.search.evaluator import Evaluator, Objective
from sennit.search.records import Evaluation, Proposal, Record
from sennit.search.report.describe import describe_genome
from sennit.search.search import SearchResult, search
from sennit.search.space import Space
from sennit.search.strategies import Strategy, create_strategy, list_strategies, register_strategy
from sennit.search.study.study import run_search
from sennit.search.taps.cache import TapCache, cache_taps

from sennit.bare_import import refuse_bare_import

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
    "describe_genome",
    "list_strategies",
    "measure_latency_ms",
    "register_strategy",
    "run_search",
    "search",
]

refuse_bare_import(__name__)
