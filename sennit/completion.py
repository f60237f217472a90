"""Completion of the command `sennit` in a shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentParser, set_parsing_settings

from sennit.recipes.command_line import config_class, parser_of
from sennit.recipes.compare import CompareOptions
from sennit.recipes.demo.options import DemoOptions
from sennit.recipes.search.options import SearchCommand
from sennit.recipes.table.commands import COMMANDS as TABLE_COMMANDS
from sennit.recipes.xvector.commands import COMMANDS as XVECTOR_COMMANDS
from sennit.recipes.xvector.config import Config as XVectorConfig

_OPTIONS: Mapping[str, type[Any]] = {
    "compare": CompareOptions,
    "demo": DemoOptions,
    "search": SearchCommand,
    "xvector": XVectorConfig,
}
_COMMANDS: Mapping[str, Mapping[str, type[Any]]] = {
    "table": {name: command.options for name, command in TABLE_COMMANDS.items()},
    "xvector": {name: command.options for name, command in XVECTOR_COMMANDS.items()},
}


def print_completion(shell: str, commands: Mapping[str, str], recipes: Sequence[str]) -> None:
    """Print a script that completes `sennit`, its subcommands and their options; then end the process.

    Args:
        shell: Name of the shell, such as ``bash``.
        commands: Module of `sennit.recipes` that each subcommand runs.
        recipes: Names of the recipes.
    """
    set_parsing_settings(add_print_completion_argument=True)
    parser = ArgumentParser(prog="sennit")
    subcommands = parser.add_subcommands(required=False)
    for name, module in commands.items():
        subcommand = _options(module, f"sennit {name}")
        subcommands.add_subcommand(name, subcommand)
        if module in _COMMANDS:  # subcommands are added from the outside in
            _add_commands(subcommand, f"sennit {name}", _COMMANDS[module])
    recipe = ArgumentParser(prog="sennit recipe")
    subcommands.add_subcommand("recipe", recipe)
    names = recipe.add_subcommands(required=False, dest="name")
    for name in recipes:
        names.add_subcommand(name, _options(name, f"sennit recipe {name}"))
    parser.parse_args([f"--print_completion=shtab-{shell}"])


def _options(module: str, prog: str) -> ArgumentParser:
    if module == "table":  # its options are those of its commands
        return ArgumentParser(prog=prog)
    return parser_of(_OPTIONS.get(module) or config_class(module), prog=prog)


def _add_commands(parser: ArgumentParser, prog: str, commands: Mapping[str, type[Any]]) -> None:
    """Add the commands of a subcommand; without one `sennit xvector` trains."""
    subcommands = parser.add_subcommands(required=False)
    for name, options in commands.items():
        subcommands.add_subcommand(name, parser_of(options, prog=f"{prog} {name}"))
