"""``python -m sennit.recipes.htad``."""

from sennit.recipes.harness import run_command, run_recipe
from sennit.recipes.htad.recipe import RECIPE

if __name__ == "__main__":
    again = "go on with --resume runs/htad/latest and the same options"
    run_command(lambda: run_recipe(RECIPE), again=again)
