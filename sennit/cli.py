"""The command `sennit`: one subcommand for each thing that the recipes do from the shell."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sennit.registry import unknown_name

# What a subcommand runs, and what it is for.
COMMANDS = {
    "demo": ("htad", "compare fusions of sound and wrist movement on real data"),
    "table": ("table", "train a model on a table of your own, or a folder of files"),
    "search": ("search", "search the fusion of a recipe"),
    "compare": ("compare", "compare fusions on the data of a recipe"),
    "xvector": ("xvector", "train speaker embeddings, and verify or identify speakers"),
}


def list_commands() -> list[str]:
    """Return the names of the recipes that `sennit recipe` runs.

    Example:
        >>> "htad" in list_commands()
        True
    """
    from sennit import recipes

    paths = [Path(folder) for folder in recipes.__path__]
    return sorted({main.parent.name for path in paths for main in path.glob("*/__main__.py")})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand that the first argument names.

    Nothing of PyTorch is imported here: a subcommand imports what it needs.

    Args:
        arguments: Command line without the program's name; by default that of the process.

    Raises:
        SystemExit: The subcommand ended with an error, or the name of one is unknown.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = _parser()
    if not arguments or arguments[0].startswith("-"):
        parser.parse_args(arguments)
        parser.print_help()
        return
    name, *rest = arguments
    if name == "recipe":
        if not rest or rest[0].startswith("-"):
            _recipe_parser().parse_args(rest)
            return
        name, *rest = rest
        if name not in list_commands():
            parser.exit(2, f"error: {unknown_name('recipe', name, list_commands())}\n")
    elif name not in COMMANDS:
        parser.exit(2, f"error: {unknown_name('command', name, [*COMMANDS, 'recipe'])}\n")
    else:
        name, _ = COMMANDS[name]
    _run(f"sennit.recipes.{name}", rest)


def _run(module: str, arguments: Sequence[str]) -> None:
    """Run a module as ``python -m`` does, so that both ways are one."""
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {about}" for name, (_, about) in COMMANDS.items()]
    lines.append(f"  {'recipe':{width}}  run a recipe by name: {', '.join(list_commands())}")
    parser = argparse.ArgumentParser(
        prog="sennit",
        usage="sennit [--help] [--version] COMMAND [OPTIONS]",
        description="Multi-modal, multi-task learning from the shell.",
        epilog="\n".join(["commands:", *lines, "", "`sennit COMMAND --help` lists the options of one."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sennit {version('sennit')}")
    return parser


def _recipe_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sennit recipe", description="Run a recipe by name.", allow_abbrev=False
    )
    parser.add_argument("name", help=f"One of {', '.join(list_commands())}.")
    return parser
