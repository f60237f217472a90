"""Recipes by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sennit.recipes.command_line import list_recipes
from sennit.recipes.harness.recipe import Recipe
from sennit.registry import check_names


def find_recipe(name: str) -> Recipe[Any]:
    """Return the recipe of a name: ``RECIPE`` in the ``recipe.py`` of its folder.

    Raises:
        ValueError: There is no such recipe; close names are listed.
    """
    check_names("recipe", [name], list_recipes())
    recipe: Recipe[Any] = import_module(f"sennit.recipes.{name}.recipe").RECIPE
    return recipe
