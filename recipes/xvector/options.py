"""The command line of the training."""

from __future__ import annotations

from collections.abc import Sequence

from sennit.recipes.command_line import RUN_OPTIONS, parse_options
from sennit.recipes.xvector.config import Config

COMMANDS = "Other commands: embed, verify, enroll, identify, probe; each explains itself with --help."


def parse(arguments: Sequence[str] | None = None) -> tuple[Config, str]:
    """Return the options, and as YAML those that shape the result."""
    return parse_options(
        Config,
        arguments,
        prog="python -m sennit.recipes.xvector",
        about=COMMANDS,
        run_options=(*RUN_OPTIONS, "loader_workers", "cache"),
    )
