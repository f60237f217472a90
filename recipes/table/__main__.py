"""``python -m sennit.recipes.table``: train a model of your own table, and ship it."""

from collections.abc import Sequence
from pathlib import Path

from sennit.recipes.command_line import RUN_OPTIONS, parse_options, run_command
from sennit.recipes.table.config import Config


def main(arguments: Sequence[str] | None = None) -> Path:
    """Guess a schema, or train and test a model; return the schema's file, or the run folder."""
    config, text = parse_options(
        Config,
        arguments,
        prog="python -m sennit.recipes.table",
        flags=("skip_bad_rows",),
        run_options=(*RUN_OPTIONS, "guess_schema", "target"),
        stored="config.yaml",
    )
    if config.resume is not None:
        config.output = config.resume.resolve().parent
    # Imported once the options are read: help and a wrong option do not wait for PyTorch.
    from sennit.recipes.table.run import run

    return run(config, text)


if __name__ == "__main__":
    run_command(main, again="resume with --resume and the run's folder")
