"""The code of the page on the contract runs as printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.tasks._base import TASKS
from tests.page_code import blocks, run_block

PAGE = Path(__file__).parents[1] / "docs" / "contract.md"


def test_the_code_of_the_page_runs_block_after_block(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TASKS, "_classes", dict(TASKS._classes)
    )  # a task that the page registers is forgotten
    namespace: dict[str, Any] = {"__name__": "contract"}
    torch.manual_seed(0)
    for line, block in blocks(PAGE):
        run_block(PAGE, line, block, namespace)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "['activity', 'from_sound', 'loss', 'probe']"
    assert printed[2:] == ["-1.0 ['activity']", "6", "6"]
    assert namespace["parts"].keys() == {"activity", "same", "domain", "loss"}
