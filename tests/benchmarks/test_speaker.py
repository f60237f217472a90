from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import speaker
from benchmarks._harness import Result
from tests.benchmarks.test_overhead import check_schema
from tests.speechbrain_peer import speechbrain

ROWS = [
    "xvector step with lengths",
    "xvector step without lengths",
    "statistics pooling",
    "waveform to embedding",
    "ecapa step with lengths",
    "ecapa step without lengths",
    "xvector step with lengths, gpu",
    "xvector share of peak, gpu",
]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speaker, "UTTERANCES", 2)
    monkeypatch.setattr(speaker, "FRAMES", 40)
    monkeypatch.setattr(speaker, "alternate", made_up)


@pytest.fixture
def peer() -> Iterator[None]:
    with speechbrain():
        yield


def made_up(what: str, ours: Any, peer: Any, *, runs: int, loops: int) -> Result:
    """Both are run; the timing is invented."""
    for work in (ours, peer):
        work()
    return Result(what, 1.0, 2.0, 2.0, "ms", runs, (1.9, 2.1))


@pytest.mark.usefixtures("peer", "small")
@pytest.mark.parametrize("with_lengths", [True, False])
def test_both_sides_take_a_step_with_as_many_parameters(with_lengths: bool) -> None:
    assert speaker.step_row("xvector", with_lengths=with_lengths, runs=1).ratio == 2.0
    ours, theirs = (
        sum(p.numel() for p in net("xvector").parameters()) for net in (speaker.Ours, speaker.Peer)
    )
    assert ours == theirs


@pytest.mark.usefixtures("peer", "small")
def test_both_sides_pool_and_embed_the_same_batch() -> None:
    assert speaker.pooling_row(runs=1).ratio == 2.0
    assert speaker.embedding_row(runs=1).ratio == 2.0


def test_a_mask_and_relative_lengths_say_the_same() -> None:
    mask, lengths = speaker.masks()
    assert torch.equal(mask.sum(1), (lengths * speaker.FRAMES).round().long())
    assert mask.sum(1).tolist()[:: speaker.UTTERANCES - 1] == [speaker.FRAMES // 2, speaker.FRAMES]


@pytest.mark.usefixtures("small")
def test_a_missing_peer_or_gpu_is_a_row_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(speaker, "find_spec", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["speaker", "--quick", "--out", str(tmp_path / "s.json")])
    speaker.main()
    written = json.loads((tmp_path / "s.json").read_text())
    check_schema(written)
    assert [row["what"] for row in written["rows"]] == ROWS
    *peers, step, share = (row["unit"] for row in written["rows"])
    assert set(peers) == {f"(not run: {speaker.NO_PEER})"}
    assert (step, share) == ("(not run: no GPU)",) * 2
