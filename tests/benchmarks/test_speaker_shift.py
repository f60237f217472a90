"""The benchmark of other places: figures from made-up scores, and places from the real recordings."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import speaker_shift
from benchmarks._speaker_places import ITEMS, Place, read_place
from sennit.recipes.xvector.__main__ import main as train
from sennit.tasks.verification import Backend
from tests.recipes.synthetic_voices import RATE, write_voices


def test_decisions_are_counted_over_all_pairs_and_over_those_that_have_a_probability() -> None:
    scores = np.array([3.0, 2.0, -1.0, 1.0, -2.0, -3.0])
    same = np.array([True, True, True, False, False, False])
    backend = Backend("cosine").fit(np.eye(4), np.arange(4))
    backend.calibrate([-1.0, -1.0, 1.0, 1.0], [0, 0, 1, 1], p_target=0.5)  # a threshold of 0
    inside = np.array([True, False, False, False, True, True])
    found = speaker_shift.calibrated(backend, scores, same, inside)
    assert (found["miss"], found["false_alarm"]) == (1 / 3, 1 / 3)
    assert (found["with_probability"], found["false_alarm_with"]) == (0.5, 0)
    nowhere = speaker_shift.calibrated(backend, scores, same, np.zeros(6, dtype=bool))
    assert (nowhere["with_probability"], nowhere["false_alarm_with"]) == (0, None)


def test_a_run_is_tested_on_each_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENNIT_XVECTOR_FOLDER", "")  # set by the run, and restored behind the test
    options = ["--corpus=tree", "--test_speakers=3", "--development_speakers=3", f"--sample_rate={RATE}"]
    options += ["--widths=[16,16,16,16,24]", "--embed_dim=16", "--num_features=20", "--seconds=[0.6,0.8]"]
    options += ["--crop_seconds=0.5", "--speakers=6", "--chunks=2", "--batches=3", "--epochs=8", "--seeds=1"]
    options += [
        "--lda_dims=[0,4]",
        "--normalise=global",
        "--lr=1e-2",
        "--cohort_top=[0]",
        "--workers=0",
    ]
    run = train([f"--data={write_voices(tmp_path / 'voices')}", *options, f"--output={tmp_path / 'runs'}"])
    random = torch.Generator().manual_seed(0)
    items = [torch.randn(RATE, generator=random) * 0.1 for _ in range(50)]
    speaker, tested = np.repeat(np.arange(2), 25), np.tile(np.arange(25) < 3, 2)
    monkeypatch.setattr(
        speaker_shift, "read_place", lambda name, *_: Place(name, RATE, items, speaker, tested)
    )
    out = tmp_path / "out.json"
    given = ["--run", f"made={run}", "--data", "x", "--work", str(tmp_path / "work"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["speaker_shift", *given])
    speaker_shift.main()
    result = json.loads(out.read_text())
    assert len(result["rows"]) == 3 * 4
    assert result["runs"]["made"]["date"]
    for row in result["rows"]:
        assert (row["items"], row["pairs"]) == ([6, 44], [6, 9])
        assert 0 <= row["eer"][0] <= 1
    assert {row["promised"][0] for row in result["rows"] if row["backend"] == "adapted"} == {0.05}


@pytest.mark.real_data
@pytest.mark.skipif("SENNIT_DATA" not in os.environ, reason="SENNIT_DATA names no folder")
@pytest.mark.parametrize(("name", "speakers", "count"), [("digits", 6, ITEMS), ("readers", 6, ITEMS)])
def test_places_have_as_many_items_to_compare_as_to_adapt_to(
    name: str, speakers: int, count: int, tmp_path: Path
) -> None:
    place = read_place(name, Path(os.environ["SENNIT_DATA"]), tmp_path, 8000)
    assert np.bincount(place.speaker).tolist() == [2 * count] * speakers
    assert np.bincount(place.speaker[place.tested]).tolist() == [count] * speakers
    assert len({float(item.norm()) for item in place.items}) == len(place.items), "an item occurs twice"
