"""``python -m sennit.recipes.xvector``: train; with a command's name first, use what was trained."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from sennit.recipes.command_line import RUN_OPTIONS, parse_options, run_command
from sennit.recipes.xvector.commands import COMMANDS, PROG, read_options
from sennit.recipes.xvector.config import Config

# Module and function of each command.
_FUNCTIONS = {
    "adapt": ("adapting", "adapt"),
    "embed": ("shell", "embed"),
    "verify": ("shell", "verify"),
    "enroll": ("shell", "enroll"),
    "identify": ("shell", "identify"),
    "probe": ("probing.command", "probe"),
}


def main(arguments: Sequence[str] | None = None) -> Path | None:
    """Train, or run the command that the first argument names.

    Raises:
        ValueError: There is no such command; close ones are named.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0].startswith("-"):
        return _train(arguments)
    name, *rest = arguments
    options = read_options(name, rest)
    # Imported once the options are read: help and a wrong option do not wait for PyTorch. Each command
    # imports its own module.
    module, function = _FUNCTIONS[name]
    getattr(import_module(f"sennit.recipes.xvector.{module}"), function)(options)
    return None


def _train(arguments: Sequence[str]) -> Path:
    config, text = parse_options(
        Config,
        arguments,
        prog=PROG,
        about=f"Other commands: {', '.join(COMMANDS)}; each explains itself with --help.",
        run_options=(*RUN_OPTIONS, "loader_workers", "cache"),
    )
    from sennit.recipes.xvector.run import run

    return run(config, text)


if __name__ == "__main__":
    run_command(main, again="resume with --resume runs/xvector/latest and the same options")
