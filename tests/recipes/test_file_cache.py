from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sennit.recipes.harness import CachedByFiles
from sennit.recipes.mosi import data as mosi


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path, inside: bool) -> None:
    """⚑ Recipes kept what they had read by its name: a changed file gave the results of the old one."""
    path, reads = tmp_path / "a.txt", []

    def content(place: Path, *, ending: str) -> str:
        reads.append(place)
        return path.read_text() + ending

    read = CachedByFiles(content, files=lambda place, ending: [place], size=2)
    place = tmp_path if inside else path
    path.write_text("one")
    assert [read(place, ending="!") for _ in range(2)] == ["one!"] * 2
    assert len(reads) == 1
    path.write_text("two")
    os.utime(path, (1, 1))
    assert read(place, ending="!") == "two!"


def test_a_recipe_reads_data_that_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mosi, "SIZES", {"text": 2})
    path = tmp_path / mosi.FILE
    for value in (1.0, 2.0):
        arrays = {"utterance_id": np.array(["a_1", "b_1", "c_1", "d_1"])}
        for side, rows in (("train", [0, 1]), ("test", [2, 3])):
            arrays |= {f"text_{side}": np.full((len(rows), 2), value), f"index_{side}": np.array(rows)}
            arrays[f"label_{side}"] = np.arange(len(rows))
        np.savez(path, **arrays)
        os.utime(path, (value, value))
        train, _ = mosi.load(tmp_path)
        assert train.batch.inputs["text"].unique().tolist() == [value]
