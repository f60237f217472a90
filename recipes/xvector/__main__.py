"""``python -m sennit.recipes.xvector``: train; with a command's name first, use what was trained."""

import sys
from collections.abc import Sequence

from sennit.recipes.harness import run_command

from sennit.registry import unknown_name


def main(arguments: Sequence[str]) -> None:
    """Train, or run the command that the first argument names.

    Raises:
        ValueError: There is no such command; close ones are named.
    """
    # Imported here: each command waits for what it needs, and for no more.
    if not arguments or arguments[0].startswith("-"):
        from sennit.recipes.xvector.run import main as train

        train(arguments)
        return
    from sennit.recipes.xvector.probe import main as probe
    from sennit.recipes.xvector.shell import COMMANDS

    commands = {**COMMANDS, "probe": probe}
    name, *rest = arguments
    if name not in commands:
        raise unknown_name("command", name, commands)
    commands[name](rest)


if __name__ == "__main__":
    run_command(
        lambda: main(sys.argv[1:]), again="go on with --resume runs/xvector/latest and the same options"
    )
