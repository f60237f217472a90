"""What the tree promises: packages, methods and their documents agree."""

from __future__ import annotations

import inspect
import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from sennit.cli import recipe_names
from sennit.encoders import ENCODERS
from sennit.encoders.layers.pooling._base import POOLINGS
from sennit.fusion import FUSIONS
from sennit.fusion.cell._base import OPERATORS
from sennit.fusion.cell.readings import READINGS
from sennit.recipes.command_line import list_recipes
from sennit.registry import Registry
from sennit.search.strategies._base import STRATEGIES
from sennit.tasks._base import TASKS
from sennit.tasks.balancing._base import BALANCINGS
from sennit.tasks.sharing._base import SHARINGS
from sennit.tasks.sharing.stacks._base import STACKS
from sennit.tasks.weighting._base import WEIGHTINGS

ROOT = Path(__file__).parents[1]
PACKAGES = ("data", "encoders", "fusion", "tasks", "search", "recipes", "testing")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REGISTRIES = {"fusion": FUSIONS, "sharing": SHARINGS, "weighting": WEIGHTINGS, "balancing": BALANCINGS}
REGISTRIES |= {"encoders": ENCODERS, "tasks": TASKS, "operators": OPERATORS, "search": STRATEGIES}
REGISTRIES |= {"poolings": POOLINGS, "stacks": STACKS, "readings": READINGS}
HEADINGS = {"operators": "Operators", "search": "Search", "fusion": "Fusions", "balancing": "Balancings"}
HEADINGS |= {"encoders": "Encoders", "tasks": "Tasks", "sharing": "Sharings", "weighting": "Weightings"}
HEADINGS |= {"poolings": "Poolings", "stacks": "Stacks", "readings": "Readings"}
METHODS = [(where, name) for where, registry in REGISTRIES.items() for name in registry.list()]


def shipped(where: str, name: str) -> bool:
    """Whether the library registered it; tests register methods of their own."""
    return REGISTRIES[where].get(name).__module__.startswith("sennit.")


@pytest.fixture(params=METHODS, ids="/".join)
def method(request: pytest.FixtureRequest) -> tuple[str, str]:
    if not shipped(*request.param):
        pytest.skip("registered by a test")
    where, name = request.param
    return where, name


def test_pyproject_names_every_package_on_disk() -> None:
    packages = {
        ".".join(("sennit", *path.parent.relative_to(ROOT).parts))
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(packages | {"sennit"})


def test_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert all((folder / "__init__.py").is_file() for folder in folders)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed_and_exports_its_names(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    module = import_module(f"sennit.{package}")
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert all(hasattr(module, name) for name in names)


def test_every_method_has_its_line_in_the_docs(method: tuple[str, str]) -> None:
    """In the section of its kind: `concat` is a fusion and an operator."""
    sections = re.split(r"^#+ ", (ROOT / "docs" / "methods.md").read_text(), flags=re.MULTILINE)
    heading = HEADINGS[method[0]]
    assert names_it(next(text for text in sections if text.startswith(f"{heading}\n")), *method)


def test_every_method_is_in_the_box_of_the_readme(method: tuple[str, str]) -> None:
    where, _ = method
    row = next(
        line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| {where} |")
    )
    assert names_it(row, *method)


def test_every_method_has_an_example_and_a_description(method: tuple[str, str]) -> None:
    where, name = method
    text = inspect.getdoc(REGISTRIES[where].get(name)) or ""
    assert ">>>" in text


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_is_documented_and_whole(recipe: str) -> None:
    folder = ROOT / "recipes" / recipe
    parts = ["README.md", "config.py", "__main__.py", *(["recipe.py"] if recipe in list_recipes() else [])]
    assert [part for part in parts if not (folder / part).is_file()] == []
    assert [*folder.glob("*.yaml"), *folder.glob("presets.py")]
    assert f"`{recipe}`" in (ROOT / "docs" / "methods.md").read_text()
    assert f"`{recipe}`" in (ROOT / "README.md").read_text()


def names_it(text: str, where: str, name: str) -> bool:
    """Whether a document names the method, in backticks: ``timm/<name>`` for a family, tasks by class."""
    registry: Registry = REGISTRIES[where]
    names = {name, registry.get(name).__name__} if where == "tasks" else {name}
    return any(re.search(rf"`{re.escape(n)}{'[^`]+' if n.endswith('/') else ''}`", text) for n in names)
