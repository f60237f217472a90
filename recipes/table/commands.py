"""The commands of ``sennit table``, and their options; nothing here imports PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sennit.recipes.command_line import RUN_OPTIONS, parse_options
from sennit.recipes.table.config import Config, Guessing, Prediction
from sennit.recipes.table.presets import PRESETS
from sennit.recipes.table.searching import Searching
from sennit.registry import unknown_name

PROG = "sennit table"


@dataclass(frozen=True)
class Command:
    """A command and how its options are read.

    Args:
        options: Dataclass of its options.
        about: Line of help.
        parsing: Options of `parse_options`.
    """

    options: type[Any]
    about: str
    parsing: Mapping[str, Any] = field(default_factory=dict)


COMMANDS: Mapping[str, Command] = {
    "fit": Command(
        Config,
        "train a model, test it and report; the schema is guessed where none is given",
        {
            "flags": ("skip_bad_rows",),
            "run_options": (*RUN_OPTIONS, "time_limit"),
            "stored": "config.yaml",
            "presets": PRESETS,
        },
    ),
    "guess": Command(Guessing, "write a first schema with its reasons, to edit"),
    "search": Command(Searching, "search the fusion of the inputs, beside random search and those by hand"),
    "predict": Command(Prediction, "write the answers for new rows", {"flags": ("skip_bad_rows",)}),
}


def read_options(
    name: str, arguments: Sequence[str]
) -> tuple[Config | Guessing | Prediction | Searching, str]:
    """Return the options of a command, and those that shape its result as YAML.

    Args:
        name: Name of the command.
        arguments: Command line behind the name.

    Raises:
        ValueError: There is no such command; close ones are named.
    """
    if name not in COMMANDS:
        hint = f" Did you mean `{PROG} fit`?" if name.startswith("-") else ""
        raise ValueError(f"{unknown_name('command', name, COMMANDS)}{hint}")
    command = COMMANDS[name]
    options, text = parse_options(
        command.options, arguments, prog=f"{PROG} {name}", positionals=("data",), **command.parsing
    )
    if isinstance(options, Config) and options.resume is not None:
        options.output = options.resume.resolve().parent
    return options, text
