"""From a dataclass to a command line, and from a command line to the dataclass."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol, TypeVar, get_args, get_type_hints, runtime_checkable

import docstring_parser
from jsonargparse import ArgumentParser, Namespace

from sennit.recipes.command_line.one_line import OneLineParser

C = TypeVar("C")
RUN_OPTIONS = ("resume", "output", "workers")
"""Options that do not change the result of a run."""


@runtime_checkable
class _Checked(Protocol):
    def check(self) -> None: ...


def parser_of(
    *configs: type[Any],
    prog: str,
    about: str = "",
    skip: Collection[str] = (),
    flags: Sequence[str] = (),
    positionals: Sequence[str] = (),
) -> ArgumentParser:
    """Return the parser of one or several dataclasses; ``--config`` reads their options from YAML.

    Args:
        *configs: Dataclasses whose ``Args`` document their options. The first opens the help; a field that
            several have is an option once, of the first.
        prog: Command as one types it.
        about: Paragraph below the dataclass's description.
        skip: Fields that are not options.
        flags: Boolean fields of the first dataclass whose options take no value.
        positionals: Fields of the first dataclass that are given without a name, in their order; of a list,
            one or more values. One with a default may be left out.
    """
    description, _, _ = (inspect.getdoc(configs[0]) or "").partition("\n\nArgs:")
    parser = OneLineParser(
        prog=prog,
        description=f"{description}\n\n{about}" if about else description,
        version=version("sennit"),
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="YAML file with any of these options.")
    taken = {*skip, *flags, *positionals}
    for config in configs:
        names = {field.name for field in dataclasses.fields(config)}
        parser.add_class_arguments(config, skip=taken & names)
        taken |= names
    texts, types = _field_texts(configs[0]), get_type_hints(configs[0])
    defaults = {field.name: field.default for field in dataclasses.fields(configs[0])}
    for name in positionals:
        if get_args(types[name]):
            parser.add_argument(name, type=get_args(types[name])[0], nargs="+", help=texts[name])
        elif defaults[name] is dataclasses.MISSING:
            parser.add_argument(name, type=types[name], help=texts[name])
        else:
            # Without a default here: it would take the place of a value that --config gives.
            parser.add_argument(
                name, type=types[name], nargs="?", default=argparse.SUPPRESS, help=texts[name]
            )
    for name in flags:
        parser.add_argument(f"--{name}", action="store_true", help=texts[name])
    return parser


def _field_texts(config: type[Any]) -> dict[str, str]:
    """Return the line of each field in the docstrings of a dataclass and its bases."""
    return {
        argument.arg_name: argument.description or ""
        for cls in reversed(config.__mro__)
        for argument in docstring_parser.parse(inspect.getdoc(cls) or "").params
    }


def parse_options(
    config: type[C],
    arguments: Sequence[str] | None = None,
    *,
    prog: str,
    about: str = "",
    flags: Sequence[str] = (),
    positionals: Sequence[str] = (),
    run_options: Collection[str] = RUN_OPTIONS,
    stored: str | None = None,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[C, str]:
    """Read the options of a dataclass; a value that its ``check`` refuses ends the process with a message.

    Args:
        config: Dataclass, with a method ``check`` where a value can be wrong.
        arguments: Command line; that of the process when None.
        prog: Command as one types it.
        about: Paragraph below the dataclass's description.
        flags: Boolean fields whose options take no value.
        positionals: Fields that are given without a name, in their order.
        run_options: Options that do not change the result.
        stored: Name of a YAML file in the folder that ``--resume`` names, whose options stand before those
            of the command line; None when a resumed run is given its options again.
        presets: Defaults of the options by the value of ``--preset``.

    Returns:
        The options, and those that shape the result as YAML.

    Example:
        >>> from sennit.recipes.command_line.options import Options
        >>> parse_options(Options, ["--batch-size", "3"], prog="example")[0].batch_size
        3
    """
    parser = parser_of(config, prog=prog, about=about, flags=flags, positionals=positionals)
    given = underscored(arguments)
    parsed = parser.parse_args(given)
    if stored is not None and parsed.resume is not None and (parsed.resume / stored).is_file():
        given = [f"--config={parsed.resume / stored}", *given]
        parsed = parser.parse_args(given)
    if presets and (defaults := presets.get(parsed.preset)):
        parser.set_defaults(dict(defaults))
        parsed = parser.parse_args(given)
    return values_of(config, parsed, parser), text_of(parser, parsed, run_options)


def values_of(config: type[C], parsed: Namespace, parser: ArgumentParser) -> C:
    """Make the dataclass of what was parsed, and check it.

    Args:
        config: Dataclass.
        parsed: Values by field; a field that is missing keeps its default.
        parser: Parser whose ``error`` ends the process when ``config.check`` refuses a value.
    """
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    try:
        values = config(**{name: parsed[name] for name in names if name in parsed})
        if isinstance(values, _Checked):
            values.check()
    except ValueError as error:
        parser.error(str(error))
    return values


def text_of(parser: ArgumentParser, parsed: Namespace, run_options: Collection[str] = RUN_OPTIONS) -> str:
    """Return the options that shape the result as YAML.

    Args:
        parser: Parser of the options.
        parsed: Values by option.
        run_options: Options to leave out.
    """
    kept = parsed.clone()
    for name in ("config", *run_options):
        kept.pop(name, None)
    text: str = parser.dump(kept, skip_validation=True)
    return text


def underscored(arguments: Sequence[str] | None) -> list[str]:
    """Return the arguments with ``--batch-size`` as ``--batch_size``: both spellings are accepted.

    Example:
        >>> underscored(["--batch-size=8", "--data", "my-data"])
        ['--batch_size=8', '--data', 'my-data']
    """
    return [_underscored(text) for text in (sys.argv[1:] if arguments is None else arguments)]


def _underscored(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if not name.startswith("--"):
        return argument
    return f"--{name[2:].replace('-', '_')}{equals}{value}"
