"""The command line of the training."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from importlib.metadata import version

from jsonargparse import ArgumentParser
from sennit.recipes.xvector.config import Config

_OF_THE_RUN = ("config", "resume", "output", "workers", "loader_workers", "cache")  # not of the result
COMMANDS = """Other commands: embed, verify, enroll, identify, probe; each explains itself with --help."""


def parse(arguments: Sequence[str]) -> tuple[Config, str]:
    """The options, and those that shape the result as YAML."""
    description, _, _ = (inspect.getdoc(Config) or "").partition("\n\nArgs:")
    parser = ArgumentParser(
        prog="python -m sennit.recipes.xvector",
        description=f"{description}\n\n{COMMANDS}",
        version=version("sennit"),
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options.")
    parser.add_class_arguments(Config)
    parsed = parser.parse_args(list(arguments))
    try:
        config = Config(**{f.name: parsed[f.name] for f in dataclasses.fields(Config)})
        config.check()
    except ValueError as error:
        parser.error(str(error))
    kept = parsed.clone()
    for name in _OF_THE_RUN:
        kept.pop(name, None)
    return config, parser.dump(kept, skip_validation=True)
