"""``sennit table``: train a model of your own table, guess a schema of it, and predict new rows."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.command_line import run_command
from sennit.recipes.table.budget import Budget
from sennit.recipes.table.commands import COMMANDS, PROG, read_options
from sennit.recipes.table.config import Config, Guessing
from sennit.recipes.table.searching import Searching, search_table


def main(arguments: Sequence[str] | None = None) -> Path:
    """Run the command that the first argument names; return the run folder, or the file that it wrote.

    Raises:
        ValueError: There is no such command; close ones are named.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        _help()
    name, *rest = given
    options, text = read_options(name, rest)
    budget = Budget.of(options.time_limit if isinstance(options, Config) else None)
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    if isinstance(options, Config):
        from sennit.recipes.table.run import run

        return run(options, text, budget)
    if isinstance(options, Guessing):
        from sennit.recipes.table.guess import guess

        return guess(options)
    if isinstance(options, Searching):
        return search_table(options)
    from sennit.recipes.table.predict import predict

    return predict(options)


def _help() -> None:
    """Print the commands, and end the process."""
    width = max(map(len, COMMANDS))
    lines = "\n".join(f"  {name:{width}}  {command.about}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=PROG,
        usage=f"{PROG} COMMAND [OPTIONS]",
        description="A model of your own table of pictures, sound, texts, numbers and series.",
        epilog=f"commands:\n{lines}\n\n`{PROG} COMMAND --help` lists the options of a command; each takes\n"
        f"--config FILE with any of them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(["--help"])


if __name__ == "__main__":
    run_command(main, again="resume with `sennit table fit --resume` and the run's folder")
