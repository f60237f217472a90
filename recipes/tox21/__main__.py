"""``python -m sennit.recipes.tox21``."""

from sennit.recipes.command_line import run_command
from sennit.recipes.entry import recipe_main

main = recipe_main("tox21")

if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/tox21/latest and the same options")
