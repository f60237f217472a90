"""The code of the page on rounds runs as printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.page_code import blocks, run_block

PAGE = Path(__file__).parents[2] / "docs" / "rounds.md"


def test_the_code_of_the_page_runs_block_after_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "page"}
    for line, block in blocks(PAGE):
        torch.manual_seed(0)
        run_block(PAGE, line, block, namespace)
    assert namespace["pool"].counts() == {"corner": {"human": 24}}
    assert namespace["result"].pool.counts() == {"corner": {"human": 40}}
    taught = namespace["taught"].pool.counts()["corner"]
    assert taught["human"] == 24
    assert taught["model"] > 100
    for name in ("active", "taught", "three"):
        assert json.loads((tmp_path / "runs" / name / "rounds.json").read_text())["rounds"]
    assert float((namespace["votes"] == namespace["label"]).float().mean()) > 0.6
