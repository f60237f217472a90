"""``python -m sennit.recipes.mosi``."""

from sennit.recipes.command_line import run_command
from sennit.recipes.entry import recipe_main

main = recipe_main("mosi")

if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/mosi/latest and the same options")
