"""The names of the recipes and their options, without importing the recipes themselves."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sennit import recipes
from sennit.recipes.command_line.options import Options
from sennit.registry import check_names


def list_recipes() -> list[str]:
    """List the recipes that `sennit.recipes.compare` can run, in alphabetical order.

    Example:
        >>> "htad" in list_recipes()
        True
    """
    folders = [path.parent for path in Path(recipes.__path__[0]).glob("*/recipe.py")]
    return sorted(folder.name for folder in folders if (folder / "config.py").is_file())


def config_class(name: str) -> type[Options]:
    """Return the dataclass of a recipe's options: the class in its ``config.py`` that extends `Options`.

    Args:
        name: Name of the recipe.

    Raises:
        ValueError: There is no such recipe; close names are listed.

    Example:
        >>> config_class("htad").__module__
        'sennit.recipes.htad.config'
    """
    check_names("recipe", [name], list_recipes())
    module = import_module(f"sennit.recipes.{name}.config")
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    return next(c for c in classes if issubclass(c, Options) and c.__module__ == module.__name__)
