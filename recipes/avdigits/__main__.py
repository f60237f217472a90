"""``python -m sennit.recipes.avdigits``."""

from sennit.recipes.command_line import run_command
from sennit.recipes.entry import recipe_main

main = recipe_main("avdigits")

if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/avdigits/latest and the same options")
