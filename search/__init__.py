"""Search for the best fusion of given encoders, tasks and data."""

from sennit.bare_import import refuse_bare_import
from sennit.fusion.cell.genome import Cell, Genome
from sennit.search.batched.batched_candidates import BatchedCandidates
from sennit.search.batched.batched_evaluator import BatchedEvaluator
from sennit.search.batched.candidate import Candidate
from sennit.search.batched.costs import count_costs, measure_latency_ms
from sennit.search.batched.training_options import TrainingOptions
from sennit.search.evaluator import Evaluator
from sennit.search.final.result import FinalResult, FinalRow
from sennit.search.final.settings import Final
from sennit.search.fold import Fold
from sennit.search.options import SearchOptions
from sennit.search.records import Evaluation, Proposal, Record
from sennit.search.report.genome_svg import genome_svg
from sennit.search.report.genome_text import describe_genome
from sennit.search.report.runs import hypervolumes
from sennit.search.report.search_report import write_search_report
from sennit.search.result import SearchResult
from sennit.search.search import search
from sennit.search.searchable import check_searchable
from sennit.search.space import Space
from sennit.search.strategies import Strategy, create_strategy, list_strategies, register_strategy
from sennit.search.study.run_search import run_search
from sennit.search.taps.cache_taps import cache_taps
from sennit.search.taps.inference_only import inference_only
from sennit.search.taps.repeatable_batches import RepeatableBatches
from sennit.search.taps.tap_cache import TapCache

__all__ = [
    "BatchedCandidates",
    "BatchedEvaluator",
    "Candidate",
    "Cell",
    "Evaluation",
    "Evaluator",
    "Final",
    "FinalResult",
    "FinalRow",
    "Fold",
    "Genome",
    "Proposal",
    "Record",
    "RepeatableBatches",
    "SearchOptions",
    "SearchResult",
    "Space",
    "Strategy",
    "TapCache",
    "TrainingOptions",
    "cache_taps",
    "check_searchable",
    "count_costs",
    "create_strategy",
    "describe_genome",
    "genome_svg",
    "hypervolumes",
    "inference_only",
    "list_strategies",
    "measure_latency_ms",
    "register_strategy",
    "run_search",
    "search",
    "write_search_report",
]

refuse_bare_import(__name__)
