"""The result files: where they come from, and which are older than the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.readme import README, table
from benchmarks.stale import RESULTS, stale

FILES = sorted(RESULTS.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_no_result_names_a_folder_of_a_machine(path: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:tmp|home|root|work|mnt|Users)/[^\s\"]*", path.read_text()) == []


def test_the_readme_s_table_is_that_of_the_files() -> None:
    """After a new result ``python -m benchmarks.readme`` rewrites it."""
    assert table() in README.read_text()


def test_a_result_of_other_code_is_listed_with_what_changed(tmp_path: Path) -> None:
    now = {"fusion": "1", "tasks": "2"}
    for name, code in {"new": now, "old": {**now, "tasks": "0"}, "before": None}.items():
        result = {} if code is None else {"code": code}
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    assert stale(tmp_path, now) == {"before.json": ["fusion", "tasks"], "old.json": ["tasks"]}
