"""``python -m recipes.avdigits``."""

from recipes.avdigits.train import RECIPE
from recipes.harness import run, run_command

if __name__ == "__main__":
    run_command(lambda: run(RECIPE), again="go on with --resume runs/avdigits/latest and the same options")
