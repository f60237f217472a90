"""``python -m sennit.recipes.htad``."""

from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.command_line import parse_options, run_command
from sennit.recipes.htad.config import Config


def main(arguments: Sequence[str] | None = None) -> Path:
    """Run the recipe; return the run folder."""
    config, text = parse_options(Config, arguments, prog="python -m sennit.recipes.htad")
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    from sennit.recipes.harness import run_recipe
    from sennit.recipes.htad.recipe import RECIPE

    return run_recipe(RECIPE, config, text)


if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/htad/latest and the same options")
