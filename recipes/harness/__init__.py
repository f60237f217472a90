"""The harness of the recipes: jobs that resume, training, scores, the table and the report."""

from typing import TYPE_CHECKING

from sennit.lazy import lazy_exports

# A module that has the name of its function: imported here, so that the name is that of the function.
from sennit.recipes.harness.provenance import code, command, commit, provenance

if TYPE_CHECKING:
    from sennit.recipes.harness.arrays import find_arrays, read_arrays
    from sennit.recipes.harness.drawing import draw_model
    from sennit.recipes.harness.file_cache import CachedByFiles, cached_by_files
    from sennit.recipes.harness.find import find_recipe
    from sennit.recipes.harness.job import TrainedRecipe
    from sennit.recipes.harness.jobs import Jobs, run_jobs
    from sennit.recipes.harness.recipe import Recipe, Splits
    from sennit.recipes.harness.run import RunFolder, comparison_folder
    from sennit.recipes.harness.running import fill, run_recipe
    from sennit.recipes.harness.scores import batches, modality_weights, scores_of, without_each
    from sennit.recipes.harness.stopwatch import Stopwatch
    from sennit.recipes.harness.table import TableRow, print_table

__all__ = [
    "CachedByFiles",
    "Jobs",
    "Recipe",
    "RunFolder",
    "Splits",
    "Stopwatch",
    "TableRow",
    "TrainedRecipe",
    "batches",
    "cached_by_files",
    "code",
    "command",
    "commit",
    "comparison_folder",
    "draw_model",
    "fill",
    "find_arrays",
    "find_recipe",
    "modality_weights",
    "print_table",
    "provenance",
    "read_arrays",
    "run_jobs",
    "run_recipe",
    "scores_of",
    "without_each",
]
# Lightning and Matplotlib take seconds, which a process that only runs jobs need not wait for.
_NAMES = {
    "arrays": ("find_arrays", "read_arrays"),
    "drawing": ("draw_model",),
    "file_cache": ("CachedByFiles", "cached_by_files"),
    "find": ("find_recipe",),
    "job": ("TrainedRecipe",),
    "jobs": ("Jobs", "run_jobs"),
    "recipe": ("Recipe", "Splits"),
    "run": ("RunFolder", "comparison_folder"),
    "running": ("fill", "run_recipe"),
    "scores": ("batches", "modality_weights", "scores_of", "without_each"),
    "stopwatch": ("Stopwatch",),
    "table": ("TableRow", "print_table"),
}
__getattr__ = lazy_exports(
    __name__, {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}
)
