"""What the pages name exists: make targets, files, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sennit.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("recipes/*/README.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_make_targets_that_a_page_names_exist(page: Path) -> None:
    code = re.findall(r"^make ([a-z]+)|`make ([a-z]+)", page.read_text(), re.MULTILINE)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {a or b for a, b in code} <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_files_that_a_page_links_to_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_commands_that_a_page_names_exist(page: Path) -> None:
    for module in re.findall(r"python -m ((?:sennit|benchmarks)(?:\.\w+)*)(?![.\w])", page.read_text()):
        path = ROOT / module.removeprefix("sennit.").replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_subcommands_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"`sennit ([a-z]+)", text) + re.findall(r"^sennit ([a-z]+)", text, re.MULTILINE)
    assert set(named) <= {*COMMANDS, "recipe"}
