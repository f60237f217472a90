"""``python -m sennit.recipes.compare --recipe avdigits --fusion concat,gated --seeds 5``: fill a table.

The jobs of a recipe under the same options share a folder, whichever fusions and seeds were asked for: the
same command resumes where it stopped, and one with more fusions or more seeds runs only what is new.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sennit.recipes.command_line import parse_with_recipe, run_command


@dataclass(frozen=True)
class CompareOptions:
    """Fills the table of a recipe: trains what is missing for these fusions and seeds.

    Args:
        recipe: Name of the recipe.
        fusion: Names of the fusions, separated by commas.
        output: Folder for the tables.
    """

    recipe: str
    fusion: str
    output: Path = Path("runs/compare")


def main(arguments: Sequence[str] | None = None) -> Path:
    """Fill the table; return the folder of the jobs."""
    options, config, _ = parse_with_recipe(
        CompareOptions, arguments, prog="python -m sennit.recipes.compare", skip=("fusions", "resume")
    )
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    from sennit.recipes.harness import comparison_folder, fill, find_recipe

    recipe = find_recipe(options.recipe)
    if recipe.compares != "fusions":
        raise ValueError(
            f"`sennit compare` should be given a recipe of fusions. Found '{recipe.name}', which compares "
            f"{recipe.compares}: run `python -m sennit.recipes.{recipe.name} --{recipe.compares} ...`."
        )
    data = None if config.data is None else config.data.resolve()
    fusions = [name.strip() for name in options.fusion.split(",")]
    config = dataclasses.replace(config, data=data, fusions=fusions)
    recipe.check(config)
    jobs = [job for job in recipe.jobs(config) if recipe.ablation(job) is None]
    folder = comparison_folder(recipe, config, options.output / recipe.name)
    fill(recipe, config, jobs, folder)
    return folder


if __name__ == "__main__":
    run_command(main, again="give the same command to resume")
