"""The command of a comparing recipe, ``python -m sennit.recipes.<name>``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sennit.recipes.command_line import config_class, parse_options


class Main(Protocol):
    """A command: it takes the command line, that of the process when None, and returns the run folder."""

    def __call__(self, arguments: Sequence[str] | None = None) -> Path: ...


def recipe_main(name: str) -> Main:
    """Return the command of a recipe.

    Args:
        name: Name of the recipe's folder.
    """

    def main(arguments: Sequence[str] | None = None) -> Path:
        config, text = parse_options(config_class(name), arguments, prog=f"python -m sennit.recipes.{name}")
        # Imported once the options are read: help and a wrong option do not wait for PyTorch.
        from sennit.recipes.harness import find_recipe, run_recipe

        return run_recipe(find_recipe(name), config, text)

    return main
