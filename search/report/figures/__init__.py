"""The figures of a search's report, one a file."""

from sennit.search.report.figures.front import plot_front
from sennit.search.report.figures.pairs import plot_pairs
from sennit.search.report.figures.progress import plot_progress
from sennit.search.report.figures.survivors import plot_survivors

__all__ = ["plot_front", "plot_pairs", "plot_progress", "plot_survivors"]
