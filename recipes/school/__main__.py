"""``python -m sennit.recipes.school``."""

from sennit.recipes.command_line import run_command
from sennit.recipes.entry import recipe_main

main = recipe_main("school")

if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/school/latest and the same options")
