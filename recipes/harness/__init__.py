"""What recipes share: options, cells that resume, training, the table and the report."""

from encoders._files import write_json
from fusion.search.report.page import Block, Grid, Heading, Picture, Text, write_report
from recipes.harness.cells import Cells, run_cells
from recipes.harness.command import fill, parse, run_command, run_recipe
from recipes.harness.drawing import draw_model
from recipes.harness.find import find_recipe, list_recipes
from recipes.harness.options import Options
from recipes.harness.recipe import Recipe, Splits
from recipes.harness.run import RunFolder, command, provenance
from recipes.harness.table import Row, print_table
from recipes.harness.trainer import quiet_trainer

__all__ = [
    "Block",
    "Cells",
    "Grid",
    "Heading",
    "Options",
    "Picture",
    "Recipe",
    "Row",
    "RunFolder",
    "Splits",
    "Text",
    "command",
    "draw_model",
    "fill",
    "find_recipe",
    "list_recipes",
    "parse",
    "print_table",
    "provenance",
    "quiet_trainer",
    "run_cells",
    "run_command",
    "run_recipe",
    "write_json",
    "write_report",
]
