"""``python -m recipes.mosi``."""

from recipes.harness import run, run_command
from recipes.mosi.train import RECIPE

if __name__ == "__main__":
    run_command(lambda: run(RECIPE), again="go on with --resume runs/mosi/latest and the same options")
