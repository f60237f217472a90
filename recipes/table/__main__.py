"""``python -m sennit.recipes.table``: train a model of your own table, and ship it."""

from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.command_line import run_command
from sennit.recipes.table.options import parse


def main(arguments: Sequence[str] | None = None) -> Path:
    """Guess a schema, or train and test a model; return the schema's file, or the run folder."""
    config, text = parse(arguments)
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    from sennit.recipes.table.run import run

    return run(config, text)


if __name__ == "__main__":
    run_command(main, again="resume with --resume and the run's folder")
