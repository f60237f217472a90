from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import rounds_mnist
from tests.benchmarks.test_overhead import check_schema

FINAL = ("three nets, labels alone", "tri-training", "one net, labels alone")


class InTurn:
    """In the place of processes; results are made up."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> InTurn:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(self, _: Any, jobs: Any) -> list[Any]:
        return [made_up(*job) for job in jobs]


def made_up(kind: str, seed: int, rounds: int) -> dict[str, list[float]]:
    if kind == "taught":
        return {name: [0.7 + 0.1 * (name == "tri-training") + 0.01 * seed] for name in FINAL}
    return {
        name: [0.5 + 0.1 * k + 0.05 * (name == "bald") for k in range(rounds)] for name in ("random", "bald")
    }


def test_the_result_file_has_the_schema_and_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(rounds_mnist, "ProcessPoolExecutor", InTurn)
    monkeypatch.setattr(sys, "argv", ["rounds_mnist", "--quick", "--out", str(tmp_path / "r.json")])
    rounds_mnist.main()
    written = json.loads((tmp_path / "r.json").read_text())
    check_schema(written)
    rows = {row["what"]: row for row in written["rows"]}
    assert list(rows) == [
        "bald vs random, 200 labels",
        "tri-training vs one net, labels alone",
        "tri-training vs three nets, labels alone",
    ]
    assert rows["bald vs random, 200 labels"]["ours"] == 0.65
    assert rows["tri-training vs one net, labels alone"]["peer"] == 0.705
    assert "tri-training, 100 labels: 0.8050 ± 0.0071" in written["notes"]


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
def test_labels_that_are_asked_for_help(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On images that are in no pool. Which acquisition is better takes more seeds than a test has."""
    for name, value in {"IMAGES": 1500, "FIRST": 40, "ADDED": 160}.items():
        monkeypatch.setattr(rounds_mnist, name, value)
    monkeypatch.setattr(rounds_mnist, "ACQUISITIONS", {"random": {}, "entropy": {}})
    monkeypatch.setitem(rounds_mnist.OPTIONS, "steps", 60)
    train = rounds_mnist.read(Path(os.environ["SENNIT_DATA"]), "train")
    last = slice(rounds_mnist.HELD_OUT, rounds_mnist.HELD_OUT + 4000)
    test = rounds_mnist.batch_of(train[0][last], train[1][last])
    curves = rounds_mnist.active(train, test, 50, 2, tmp_path)
    assert curves["random"][0] == curves["entropy"][0] < 0.65
    assert min(curve[1] for curve in curves.values()) > curves["random"][0] + 0.05
