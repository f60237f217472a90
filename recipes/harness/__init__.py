"""The harness of the recipes: jobs that resume, training, scores, the table and the report."""

from sennit.files import write_json
from sennit.html_page import Block, Grid, Heading, Picture, Text, write_report
from sennit.recipes.harness.command import fill, run_recipe
from sennit.recipes.harness.drawing import draw_model
from sennit.recipes.harness.find import find_recipe
from sennit.recipes.harness.job import TrainedRecipe
from sennit.recipes.harness.jobs import Jobs, run_jobs
from sennit.recipes.harness.names import check_names
from sennit.recipes.harness.recipe import Recipe, Splits
from sennit.recipes.harness.run import RunFolder, command, comparison_folder, provenance
from sennit.recipes.harness.scores import batches, modality_weights, scores_of, without_each
from sennit.recipes.harness.stopwatch import Stopwatch
from sennit.recipes.harness.table import TableRow, print_table

__all__ = [
    "Block",
    "Grid",
    "Heading",
    "Jobs",
    "Picture",
    "Recipe",
    "RunFolder",
    "Splits",
    "Stopwatch",
    "TableRow",
    "Text",
    "TrainedRecipe",
    "batches",
    "check_names",
    "command",
    "comparison_folder",
    "draw_model",
    "fill",
    "find_recipe",
    "modality_weights",
    "print_table",
    "provenance",
    "run_jobs",
    "run_recipe",
    "scores_of",
    "without_each",
    "write_json",
    "write_report",
]
