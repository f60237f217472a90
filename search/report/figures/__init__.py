"""The pictures of a search's report, one a file."""

from fusion.search.report.figures.front import draw_front
from fusion.search.report.figures.pairs import draw_pairs
from fusion.search.report.figures.progress import draw_progress
from fusion.search.report.figures.survivors import draw_survivors

__all__ = ["draw_front", "draw_pairs", "draw_progress", "draw_survivors"]
