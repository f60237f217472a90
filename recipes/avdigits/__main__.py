"""``python -m sennit.recipes.avdigits``."""

from sennit.recipes.avdigits.train import RECIPE
from sennit.recipes.harness import run_command, run_recipe

if __name__ == "__main__":
    again = "go on with --resume runs/avdigits/latest and the same options"
    run_command(lambda: run_recipe(RECIPE), again=again)
