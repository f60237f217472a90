"""What recipes share: options, cells that resume, training, the table and the report."""

from sennit.recipes.harness.cells import Cells, run_cells
from sennit.recipes.harness.command import fill, parse, run_command, run_recipe
from sennit.recipes.harness.drawing import draw_model
from sennit.recipes.harness.find import find_recipe, list_recipes
from sennit.recipes.harness.options import Options
from sennit.recipes.harness.recipe import Recipe, Splits
from sennit.recipes.harness.run import RunFolder, command, provenance
from sennit.recipes.harness.table import Row, print_table
from sennit.recipes.harness.trainer import quiet_trainer

from sennit.files import write_json
from sennit.html_page import Block, Grid, Heading, Picture, Text, write_report

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
