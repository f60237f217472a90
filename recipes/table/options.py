"""From the command line to the options of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from importlib.metadata import version

from jsonargparse import ArgumentParser
from sennit.fusion import FUSIONS
from sennit.recipes.table.config import Config

_OF_THE_RUN = ("config", "resume", "output", "workers", "guess_schema", "target")


def parse(arguments: Sequence[str]) -> tuple[Config, str]:
    """The options, and those that shape the result as YAML; a resumed run has those it began with."""
    parser = ArgumentParser(
        prog="python -m sennit.recipes.table",
        description=(Config.__doc__ or "").partition("\n")[0],
        version=version("sennit"),
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options.")
    parser.add_class_arguments(Config, skip={"skip_bad_rows"})
    parser.add_argument(
        "--skip_bad_rows",
        action="store_true",
        help="Leave out rows that cannot be used, and list them in bad_rows.csv.",
    )
    given = [_underscored(argument) for argument in arguments]
    resume = parser.parse_args(given).resume
    if resume is not None and (resume / "config.yaml").is_file():
        given = ["--config", str(resume / "config.yaml"), *given]
    parsed = parser.parse_args(given)
    config = Config(**{f.name: parsed[f.name] for f in dataclasses.fields(Config)})
    if config.resume is not None:
        config.output = config.resume.resolve().parent
    if not config.data:
        parser.error("--data should name a .csv, a .parquet, a folder of a folder per class, or shards.")
    FUSIONS.get(config.fusion)
    for name in ("epochs", "batch_size", "width"):
        if getattr(config, name) < 1:
            parser.error(f"--{name} should be 1 or more. Found {getattr(config, name)}.")
    kept = parsed.clone()
    for name in _OF_THE_RUN:
        kept.pop(name, None)
    return config, parser.dump(kept, skip_validation=True)


def _underscored(argument: str) -> str:
    """``--batch-size=8`` as ``--batch_size=8``: both spellings are taken."""
    name, equals, value = argument.partition("=")
    if not name.startswith("--"):
        return argument
    return f"--{name[2:].replace('-', '_')}{equals}{value}"
