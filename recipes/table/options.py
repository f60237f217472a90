"""From the command line to the options of a run."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.recipes.command_line import RUN_OPTIONS, parse_options
from sennit.recipes.table.config import Config

_FLAGS = {"skip_bad_rows": "Leave out rows that cannot be used, and list them in bad_rows.csv."}


def parse(arguments: Sequence[str] | None = None) -> tuple[Config, str]:
    """Return the options, and as YAML those that shape the result; a resumed run has those it began with."""
    config, text = parse_options(
        Config,
        arguments,
        prog="python -m sennit.recipes.table",
        flags=_FLAGS,
        run_options=(*RUN_OPTIONS, "guess_schema", "target"),
        stored="config.yaml",
    )
    if config.resume is not None:
        config.output = config.resume.resolve().parent
    return config, text
