"""The command `sennit`: one subcommand for each task of the shell, and every recipe by name."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sennit import recipes
from sennit.registry import unknown_name

# Module of `sennit.recipes` that each subcommand runs, and its line of help.
COMMANDS = {
    "demo": ("demo", "train on a table with blanks, then compare fusions, on real data"),
    "table": ("table", "train a model on a table of your own, or a folder of files"),
    "search": ("search", "search the fusion of a recipe"),
    "compare": ("compare", "compare fusions on the data of a recipe"),
    "xvector": ("xvector", "train speaker embeddings; verify, enroll, identify, adapt"),
}
SHELLS = ("bash", "zsh", "tcsh", "fish")


def recipe_names() -> list[str]:
    """Return the names that `sennit recipe` runs, in alphabetical order.

    Example:
        >>> "htad" in recipe_names()
        True
    """
    folders = [path.parent for path in Path(recipes.__path__[0]).glob("*/__main__.py")]
    return sorted(folder.name for folder in folders if (folder / "config.py").is_file())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand that the first argument names.

    Nothing here imports PyTorch; a subcommand imports what it needs.

    Args:
        arguments: Command line without the program's name; that of the process when None.

    Raises:
        SystemExit: The subcommand failed, or there is none of that name; close names are listed.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0].startswith("-"):
        _options(given)
    elif given[0] == "recipe":
        _recipe(given[1:])
    elif given[0] in COMMANDS:
        _run(COMMANDS[given[0]][0], given[1:])
    else:
        sys.exit(f"error: {unknown_name('command', given[0], [*COMMANDS, 'recipe'])}")


def _options(arguments: Sequence[str]) -> None:
    parser = _parser()
    shell = parser.parse_args(arguments).print_shtab
    if shell is None:
        parser.print_help()
        return
    from sennit.completion import print_completion  # every subcommand's options: slower than a dispatch

    print_completion(shell, {name: module for name, (module, _) in COMMANDS.items()}, recipe_names())


def _recipe(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="sennit recipe", usage="sennit recipe NAME [OPTIONS]")
    parser.add_argument("name", metavar="NAME", help=f"One of {', '.join(recipe_names())}.")
    name = parser.parse_args(arguments[:1]).name
    if name not in recipe_names():
        sys.exit(f"error: {unknown_name('recipe', name, recipe_names())}")
    _run(name, arguments[1:])


def _run(name: str, arguments: Sequence[str]) -> None:
    """Run a module of `sennit.recipes` as ``python -m`` does, so that both ways are the same."""
    module = f"sennit.recipes.{name}"
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _parser() -> argparse.ArgumentParser:
    recipe = f"run a recipe by name: {', '.join(recipe_names())}"
    lines = [(name, about) for name, (_, about) in COMMANDS.items()] + [("recipe", recipe)]
    width = max(len(name) for name, _ in lines)
    commands = "\n".join(f"  {name:{width}}  {about}" for name, about in lines)
    parser = argparse.ArgumentParser(
        prog="sennit",
        usage="sennit COMMAND [OPTIONS]",
        description="Multi-modal, multi-task learning from the shell.",
        epilog=f"commands:\n{commands}\n\n`sennit COMMAND --help` lists the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"sennit {version('sennit')}")
    parser.add_argument(
        "--print_shtab", choices=SHELLS, help="Print a script that completes this command in a shell."
    )
    return parser
