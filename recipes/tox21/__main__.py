"""``python -m sennit.recipes.tox21``."""

from sennit.recipes.harness import run_command, run_recipe
from sennit.recipes.tox21.train import RECIPE

if __name__ == "__main__":
    again = "go on with --resume runs/tox21/latest and the same options"
    run_command(lambda: run_recipe(RECIPE), again=again)
