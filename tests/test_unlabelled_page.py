"""The code of the page on learning without labels runs as printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.page_code import blocks, run_block

PAGE = Path(__file__).parents[1] / "docs" / "unlabelled.md"


def test_the_code_of_the_page_runs_block_after_block() -> None:
    namespace: dict[str, Any] = {"__name__": "unlabelled"}
    for line, block in blocks(PAGE):
        run_block(PAGE, line, block, namespace)
    assert namespace["counts"].tolist() == [3] * 224
    assert len(namespace["groups"].memory.held("values").unique()) == 8
