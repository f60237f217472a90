"""The benchmarks that choose encoders: divisions by group, the archive's format, made-up trainings."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import series_choices, sound_choices
from benchmarks._choices import SUBSETS, Divided, train
from benchmarks._series_sets import _rows, by_group
from sennit.encoders import create_encoder
from tests.benchmarks.test_overhead import check_schema


def made_up(folders: Any, job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outcome of a training, from made-up scores."""
    score = 0.5 if job["encoder"] in ("tcn", "svm") else 0.7 + 0.01 * job["seed"]
    score += 0.1 * (job["encoder"] in ("series_conv", "logmel_conv"))
    return {"validation": score, "test": score - 0.1, "seconds": 1.0, "rows": dict.fromkeys(SUBSETS, 3)}


@pytest.mark.parametrize(
    ("module", "options", "chosen", "rows"),
    [
        (
            series_choices,
            ["--site", "x", "--encoders", "tcn", "series_conv", "series_resnet"],
            "series_conv",
            10,
        ),
        (sound_choices, [], "logmel_conv", 3 * (len(sound_choices.ENCODERS) - 1)),
    ],
)
def test_the_choice_is_by_validation_and_each_row_is_beside_the_peer(
    module: Any, options: list[str], chosen: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "work", made_up)
    name, out = module.__name__.rpartition(".")[2], tmp_path / "t.json"
    arguments = [name, "--workers", "0", "--work", str(tmp_path / "work"), "--out", str(out), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    module.main()
    result = json.loads(out.read_text())
    check_schema(result)
    assert len(result["rows"]) == rows
    assert result["chosen"] == chosen
    row = next(r for r in result["rows"] if r["what"].endswith(f": {chosen}"))
    assert (row["ours"], row["peer"], row["runs"]) == (0.71, 0.4, 3)
    assert result["means"][chosen]["validation"] == 0.81


def test_no_group_is_in_two_parts_and_the_seed_moves_them_on() -> None:
    windows = [(torch.zeros(3, 1), i % 2, i // 2) for i in range(12)]
    tested = []
    for seed in range(3):
        parts = by_group(
            [(torch.full((3, 1), float(g)), y, g) for _, y, g in windows], test=2, validation=1, seed=seed
        )
        groups = {s: {int(x[0, 0]) for x in parts.samples[s]} for s in SUBSETS}
        assert [len(groups[s]) for s in SUBSETS] == [3, 1, 2]
        assert set.union(*groups.values()) == set(range(6))
        tested.append(groups["test"])
    assert tested == [{0, 1}, {2, 3}, {4, 5}]


def test_a_series_of_the_archive_is_read_by_channel() -> None:
    ((x, label),) = _rows("@problemName a\n@data\n1,2,3:4,5,6:b\n\n")
    assert x.tolist() == [[1, 4], [2, 5], [3, 6]]
    assert label == "b"


def test_a_training_learns_what_is_easy() -> None:
    torch.manual_seed(0)
    parts = {
        s: [(torch.randn(9, 1) + 3 * (i % 2), i % 2, None) for i in range(count)]
        for s, count in (("train", 64), ("validation", 10), ("test", 20))
    }
    outcome = train(
        Divided.of(parts),
        partial(create_encoder, "series_conv", 1, widths=(8,)),
        {"epochs": 6, "batch_size": 16, "lr": 1e-2},
        seed=0,
        augment=[{"name": "jitter"}],
    )
    assert outcome["test"] == 1.0
    assert outcome["rows"] == {"train": 64, "validation": 10, "test": 20}
    assert outcome["seconds"] > 0
