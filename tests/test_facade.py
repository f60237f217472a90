"""The names of `sennit` itself."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import sennit

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", sennit.__all__)
def test_every_name_is_that_of_its_room(name: str) -> None:
    assert getattr(sennit, name) is getattr(import_module(sennit._HOME[name]), name)
    assert name in dir(sennit)


def test_type_checkers_see_the_same_names() -> None:
    """Those imported under TYPE_CHECKING are those of `__all__`, and those looked up at run time."""
    tree = ast.parse(Path(sennit.__file__).read_text())
    (block,) = (
        node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node)
    )
    imported = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(sennit.__all__) == set(sennit._HOME)


def test_the_version_is_that_of_the_distribution() -> None:
    assert sennit.__version__ == version("sennit")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'sennit' has no attribute 'no_such_name'"):
        sennit.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_importing_the_facade_imports_no_room() -> None:
    """All that it imports is the small helper of names that are looked up later."""
    code = "import sys, sennit; print([m for m in sys.modules if m.startswith('sennit.') or m == 'torch'])"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "['sennit.lazy']\n"
