"""The pictures of a search's report, one a file."""

from fusion.search.figures.front import draw_front
from fusion.search.figures.pairs import draw_pairs
from fusion.search.figures.progress import draw_progress
from fusion.search.figures.survivors import draw_survivors

__all__ = ["draw_front", "draw_pairs", "draw_progress", "draw_survivors"]
