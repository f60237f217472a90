"""``python -m sennit.recipes.xvector``: train; with a command's name first, use what was trained."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.command_line import run_command
from sennit.recipes.xvector.options import parse
from sennit.registry import unknown_name


def main(arguments: Sequence[str] | None = None) -> Path | None:
    """Train, or run the command that the first argument names.

    Raises:
        ValueError: There is no such command; close ones are named.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    # Imported here: each command waits for what it needs, and for no more.
    if not arguments or arguments[0].startswith("-"):
        config, text = parse(arguments)
        from sennit.recipes.xvector.run import run

        return run(config, text)
    from sennit.recipes.xvector.probe import main as probe
    from sennit.recipes.xvector.shell import COMMANDS

    commands = {**COMMANDS, "probe": probe}
    name, *rest = arguments
    if name not in commands:
        raise unknown_name("command", name, commands)
    commands[name](rest)
    return None


if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/xvector/latest and the same options")
