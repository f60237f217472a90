from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import unlabelled_proofs
from benchmarks._proof import Comparison, Figures, Proof
from benchmarks._proof_debiasing import figures_of
from tests.benchmarks.test_overhead import check_schema


def made_up(method: str, seed: int, folder: Path, tune: bool) -> Figures:
    return {"accuracy": (0.8 if method == "new" else 0.5) + 0.1 * (seed % 100) + tune}


@pytest.fixture(autouse=True)
def proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a proof with made-up figures in the place of the trainings."""
    comparisons = [Comparison("new", "old", "accuracy", "accuracy")]
    monkeypatch.setattr(unlabelled_proofs, "PROOFS", {"p": Proof(made_up, ("old", "new"), comparisons)})
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def start(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["unlabelled_proofs", "--data", "data", *options])
    unlabelled_proofs.main()


def test_runs_are_kept_and_compared_by_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "unlabelled_proofs.json"
    start(monkeypatch, "--seeds", "1", "--out", str(out))
    first = json.loads(out.read_text())
    check_schema(first)
    assert first["runs"] == {"p/old/0": {"accuracy": 0.5}, "p/new/0": {"accuracy": 0.8}}
    first["runs"]["p/new/0"]["accuracy"] = 0.7
    out.write_text(json.dumps(first))
    start(monkeypatch, "--seeds", "2", "--out", str(out))
    written = json.loads(out.read_text())
    (row,) = written["rows"]
    assert (row["what"], row["ours"], row["peer"], row["runs"]) == ("p: new vs old", 0.8, 0.55, 2)
    assert row["spread"] == [1.4, 1.5], "the kept run is not repeated"
    assert written["table"]["p"]["new"]["accuracy"]["each"] == [0.7, 0.9]


def test_tuning_takes_other_seeds_and_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(monkeypatch, "--tune", "--seeds", "1", "--out", str(tmp_path / "r.json"))
    assert [path.name for path in tmp_path.iterdir()] == ["r.tune.json"]
    assert json.loads((tmp_path / "r.tune.json").read_text())["runs"]["p/new/0"] == {"accuracy": 1.8}


def test_gaps_of_rates_by_hand() -> None:
    sex = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    income = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1])
    predicted = torch.tensor([0, 0, 1, 0, 0, 1, 1, 1])
    assert figures_of(predicted, income, sex) == {
        "accuracy": 0.75,
        "parity gap": 0.5,
        "odds gap": 0.5,
        "women": 0.25,
        "men": 0.75,
    }
