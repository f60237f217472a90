"""The pictures of a search's report, one a file."""

from sennit.search.report.figures.front import draw_front
from sennit.search.report.figures.pairs import draw_pairs
from sennit.search.report.figures.progress import draw_progress
from sennit.search.report.figures.survivors import draw_survivors

__all__ = ["draw_front", "draw_pairs", "draw_progress", "draw_survivors"]
