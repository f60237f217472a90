"""``python -m sennit.recipes.mosi``."""

from sennit.recipes.harness import run_command, run_recipe
from sennit.recipes.mosi.train import RECIPE

if __name__ == "__main__":
    again = "go on with --resume runs/mosi/latest and the same options"
    run_command(lambda: run_recipe(RECIPE), again=again)
