"""``python -m sennit.recipes.search --recipe htad``: search a fusion for a recipe."""

from sennit.recipes.harness import run_command
from sennit.recipes.search.run import main

if __name__ == "__main__":
    run_command(main, again="go on with --resume and the run's folder")
