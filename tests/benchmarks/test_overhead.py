from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import overhead
from benchmarks._harness import Result, alternate
from benchmarks.overhead import BATCH, Hand, copy_weights, make_batch, make_model

RESULTS = sorted((Path(overhead.__file__).parent / "results").glob("*.json"))
ROWS = {
    "loss+backward vs hand, same masks",
    "loss+backward vs plain, all present",
    "lightning step vs hand",
}


@pytest.mark.parametrize("masked", [True, False])
def test_ours_and_the_hand_written_have_the_same_loss_and_gradients(masked: bool) -> None:
    model, hand, batch = make_model(), Hand(), make_batch(BATCH, masked=masked)
    copy_weights(model, hand)
    loss, peer = model.loss(batch)[0], hand.loss(batch, masked=masked)
    loss.backward()
    peer.backward()
    torch.testing.assert_close(loss, peer)
    # Our gradients, laid out as the hand-written model's parameters.
    for p in model.parameters():
        p.data = torch.zeros_like(p) if p.grad is None else p.grad
    ours = Hand()
    copy_weights(model, ours)
    theirs = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in hand.named_parameters()}
    torch.testing.assert_close({n: p.data for n, p in ours.named_parameters()}, theirs)


def test_both_models_have_about_a_million_parameters_each() -> None:
    ours, peer = (sum(p.numel() for p in m.parameters()) for m in (make_model(), Hand()))
    assert ours == peer
    assert 0.8e6 < ours < 1.2e6


def test_a_masked_batch_misses_what_it_says() -> None:
    batch = make_batch(20_000, masked=True)
    assert 1 - batch.present["a"].float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert all(1 - y.float().mean().item() == pytest.approx(0.2, abs=0.02) for y in batch.labelled.values())
    assert make_batch(8, masked=False).all_present


def test_the_ratio_is_the_peers_time_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def take(seconds: float) -> None:
        clock[0] += seconds

    row = alternate("x", lambda: take(0.001), lambda: take(0.002), runs=5, loops=3)
    assert (row.ours, row.peer, row.ratio, row.unit, row.runs) == (1.0, 2.0, 2.0, "ms", 5)
    assert row.spread == (2.0, 2.0)


def test_a_step_is_timed_against_the_hand_written_one() -> None:
    row = overhead.step_row("x", masked=True, runs=1)
    assert row.ours > 0
    assert row.ratio == pytest.approx(row.peer / row.ours, rel=0.01)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the benchmark writes, its timings made up."""

    def quick(what: str, **_: object) -> Result:
        return Result(what, 1.0, 1.1, 1.1, "ms", 5, (1.0, 1.2))

    monkeypatch.setattr(overhead, "step_row", quick)
    monkeypatch.setattr(overhead, "lightning_row", quick)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    out = tmp_path / "new folder" / "o.json"
    monkeypatch.setattr(sys, "argv", ["overhead", "--quick", "--out", str(out)])
    overhead.main()
    return json.loads(out.read_text())


def check_schema(found: dict[str, Any]) -> None:
    assert {"benchmark", "command", "versions", "machine", "date", "rows"} <= set(found)
    assert found["command"].startswith(f"python -m benchmarks.{found['benchmark']}")
    for row in found["rows"]:
        assert set(row) == {"what", "ours", "peer", "ratio", "unit", "runs", "spread"}
        low, high = row["spread"]
        assert low <= high
        assert row["unit"] != "ms" or low <= row["ratio"] <= high


def test_the_result_file_has_the_schema_and_rows_of_the_design(written: dict[str, Any]) -> None:
    check_schema(written)
    assert written["benchmark"] == "overhead"
    assert {row["what"] for row in written["rows"]} == ROWS
    assert {"python", "sennit", "torch"} <= set(written["versions"])


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_every_kept_result_has_the_schema(path: Path) -> None:
    found = json.loads(path.read_text())
    assert found["benchmark"] == path.stem
    check_schema(found)
