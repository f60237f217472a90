"""Recipes by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from sennit.recipes.harness.recipe import Recipe

from sennit import recipes
from sennit.registry import unknown_name


def list_recipes() -> list[str]:
    """The names of the recipes, in order.

    Example:
        >>> "htad" in list_recipes()
        True
    """
    (folder,) = recipes.__path__
    return sorted(path.parent.name for path in Path(folder).glob("*/data.py"))


def find_recipe(name: str) -> Recipe[Any]:
    """The recipe of a name.

    Raises:
        ValueError: There is none; close names are listed.
    """
    if name not in list_recipes():
        raise unknown_name("recipe", name, list_recipes())
    recipe: Recipe[Any] = import_module(f"sennit.recipes.{name}.__main__").RECIPE
    return recipe
