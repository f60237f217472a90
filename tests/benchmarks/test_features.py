from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import features
from benchmarks._harness import Result
from sennit.encoders.features import MFCC, Fbank
from tests.benchmarks.test_overhead import check_schema

ROWS = [
    "fbank vs torchaudio loop, cpu",
    "mfcc vs torchaudio loop, cpu",
    "fbank vs torchaudio loop, gpu",
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "CLIPS", 2)
    monkeypatch.setattr(features, "alternate", made_up)


def made_up(what: str, ours: Any, peer: Any, *, runs: int, loops: int) -> Result:
    """Both are run; the timing is invented."""
    for work in (ours, peer):
        work()
    return Result(what, 1.0, 2.0, 2.0, "ms", runs, (1.9, 2.1))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("kind", [Fbank, MFCC])
def test_both_sides_give_the_same_frames_before_they_are_timed(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert features.row("x", kind, device="cpu", runs=1).ratio == 2.0
    plain = features.loop
    monkeypatch.setattr(features, "loop", lambda *args: plain(*args) + 0.01)
    with pytest.raises(AssertionError, match="not close"):
        features.row("x", kind, device="cpu", runs=1)


def test_a_missing_gpu_is_a_row_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    row = features.row("x", Fbank, device="cuda", runs=9)
    assert (row.runs, row.unit, row.ratio) == (0, "(not run: no GPU)", 0.0)


@pytest.mark.usefixtures("small")
def test_the_result_file_has_the_schema_and_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["features", "--quick", "--out", str(tmp_path / "f.json")])
    features.main()
    written = json.loads((tmp_path / "f.json").read_text())
    check_schema(written)
    assert [row["what"] for row in written["rows"]] == ROWS
    assert {"python", "sennit", "torch", "torchaudio"} <= set(written["versions"])
