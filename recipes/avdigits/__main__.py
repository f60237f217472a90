"""``python -m sennit.recipes.avdigits``."""

from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.avdigits.config import Config
from sennit.recipes.command_line import parse_options, run_command


def main(arguments: Sequence[str] | None = None) -> Path:
    """Run the recipe; return the run folder."""
    config, text = parse_options(Config, arguments, prog="python -m sennit.recipes.avdigits")
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    from sennit.recipes.avdigits.recipe import RECIPE
    from sennit.recipes.harness import run_recipe

    return run_recipe(RECIPE, config, text)


if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/avdigits/latest and the same options")
