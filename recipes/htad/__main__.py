"""``python -m recipes.htad``."""

from recipes.harness import run, run_command
from recipes.htad.recipe import RECIPE

if __name__ == "__main__":
    run_command(lambda: run(RECIPE), again="go on with --resume runs/htad/latest and the same options")
