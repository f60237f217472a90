"""The code of the guide and of the README runs as printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sennit.encoders._create import ENCODERS

from tests.page_code import blocks, run_block

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own; parts that a page registers are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ENCODERS, "_classes", dict(ENCODERS._classes))
    return tmp_path


def test_the_code_of_the_guide_runs_block_after_block(folder: Path) -> None:
    page, namespace = ROOT / "docs" / "guide.md", {"__name__": "guide"}
    code = list(blocks(page))
    assert len(code) > 10
    for line, block in code:
        torch.manual_seed(0)
        run_block(page, line, block, namespace)
    assert (folder / "runs" / "first" / "last.ckpt").is_file()
    assert (folder / "runs" / "search" / "report").is_dir()


@pytest.mark.parametrize("block", range(len(list(blocks(ROOT / "README.md")))))
def test_each_block_of_the_readme_runs_alone(
    block: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    run_block(ROOT / "README.md", *list(blocks(ROOT / "README.md"))[block], namespace)
    assert capsys.readouterr().out
