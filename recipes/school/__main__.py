"""``python -m sennit.recipes.school``."""

from sennit.recipes.harness import run_command, run_recipe
from sennit.recipes.school.train import RECIPE

if __name__ == "__main__":
    again = "go on with --resume runs/school/latest and the same options"
    run_command(lambda: run_recipe(RECIPE), again=again)
