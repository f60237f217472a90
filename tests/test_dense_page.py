"""The code of the page on dense tasks runs as printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.page_code import blocks, run_block

PAGE = Path(__file__).parents[1] / "docs" / "dense.md"


def test_the_code_of_the_page_runs_block_after_block(capsys: pytest.CaptureFixture[str]) -> None:
    namespace: dict[str, Any] = {"__name__": "dense"}
    for line, block in blocks(PAGE):
        run_block(PAGE, line, block, namespace)
    printed = capsys.readouterr().out.splitlines()
    assert printed == [
        "{'segmentation': 2112, 'depth': 3072, 'normals': 0}",
        "['depth', 'loss', 'segmentation']",
        "(30, 40) (30, 40, 3)",
        "32 16",
        "{'segmentation': (2, 3, 48, 64), 'normals': (2, 3, 48, 64)}",
    ]
