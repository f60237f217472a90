"""Command lines of the recipes, from their dataclasses. Nothing here imports PyTorch: help is quick."""

from sennit.recipes.command_line.names import config_class, list_recipes
from sennit.recipes.command_line.options import Options
from sennit.recipes.command_line.parsing import RUN_OPTIONS, parse_options, parser_of
from sennit.recipes.command_line.running import run_command
from sennit.recipes.command_line.with_recipe import parse_with_recipe

__all__ = [
    "RUN_OPTIONS",
    "Options",
    "config_class",
    "list_recipes",
    "parse_options",
    "parse_with_recipe",
    "parser_of",
    "run_command",
]
