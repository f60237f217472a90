"""The command line of a tool that runs a recipe: its own options, and the recipe's."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from sennit import recipes
from sennit.recipes.command_line.names import config_class, list_recipes
from sennit.recipes.command_line.options import Options
from sennit.recipes.command_line.parsing import parser_of, text_of, underscored, values_of

C = TypeVar("C")


def parse_with_recipe(
    tool: type[C],
    arguments: Sequence[str] | None = None,
    *,
    prog: str,
    skip: Collection[str] = (),
    defaults: str | None = None,
) -> tuple[C, Options, str]:
    """Read the options of a tool, and those of the recipe that ``--recipe`` names.

    Args:
        tool: Dataclass of the tool's options. Where both have a field, the recipe gets the tool's value.
        arguments: Command line; that of the process when None.
        prog: Command as one types it.
        skip: Options of the recipe that the tool sets itself.
        defaults: Name of a YAML file in the recipe's folder with this tool's defaults of its options.

    Returns:
        The tool's options, the recipe's, and those that shape the result as YAML.

    Raises:
        ValueError: There is no such recipe; close names are listed.
    """
    given = underscored(arguments)
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--recipe")
    name = first.parse_known_args(given)[0].recipe
    names = ", ".join(list_recipes())
    about = f"Every other option is the recipe's: `{prog} --recipe NAME --help`. Recipes: {names}."
    # Without a name the options of all recipes stand in for it: the parser shows help, or asks for the name.
    config = Options if name is None else config_class(name)
    file = None if None in (name, defaults) else Path(recipes.__path__[0], name, str(defaults))
    parser = parser_of(tool, config, prog=prog, about=about, skip=skip)
    parsed = parser.parse_args([*([f"--config={file}"] if file and file.is_file() else []), *given])
    return values_of(tool, parsed, parser), values_of(config, parsed, parser), text_of(parser, parsed)
