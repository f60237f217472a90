"""``python -m recipes.htad``."""

from recipes.harness import run_command, run_recipe
from recipes.htad.recipe import RECIPE

if __name__ == "__main__":
    again = "go on with --resume runs/htad/latest and the same options"
    run_command(lambda: run_recipe(RECIPE), again=again)
