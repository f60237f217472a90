"""Folders train and test with a folder for each class in them: subsets, and no classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from sennit.recipes.table import load_data, read_rows
from sennit.recipes.xvector.data import read_corpus


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def test_folders_of_subsets_declare_the_split(tmp_path: Path) -> None:
    for subset, count in (("train", 4), ("valid", 2), ("test", 1)):
        for kind in ("cat", "dog"):
            for i in range(count):
                picture(tmp_path / subset / kind / f"{i}.png")
    schema, rows = load_data(str(tmp_path), None)
    assert schema.to_dict()["targets"]["class"]["classes"] == ["cat", "dog"]
    assert rows.sizes == {"train": 8, "validation": 4, "test": 2}
    assert {Path(rows.columns["file"][i]).parts[0] for i in rows.subsets["test"]} == {"test"}


def test_a_single_subset_is_split_at_random(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        for i in range(10):
            picture(tmp_path / "train" / kind / f"{i}.png")
    schema, rows = load_data(str(tmp_path), None)
    assert schema.to_dict()["targets"]["class"]["classes"] == ["cat", "dog"]
    assert rows.sizes == {"train": 16, "validation": 2, "test": 2}


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    picture(tmp_path / "test" / "0.png")
    picture(tmp_path / "control" / "0.png")
    assert read_rows(tmp_path).columns["class"] == ["control", "test"]


def test_other_mixtures_are_refused_with_the_fix(tmp_path: Path) -> None:
    picture(tmp_path / "train" / "cat" / "0.png")
    picture(tmp_path / "notes" / "0.png")
    with pytest.raises(ValueError, match=r"Found train beside notes. Move one of the two away"):
        read_rows(tmp_path)
    for subset in ("train", "test"):
        picture(tmp_path / "flat" / subset / "0.png")
    with pytest.raises(ValueError, match=r"Found the subsets test, train, which hold files. Sort the files"):
        read_rows(tmp_path / "flat")


def test_subsets_are_no_speakers(tmp_path: Path) -> None:
    for subset in ("train", "test"):
        for speaker in "ab":
            path = tmp_path / subset / speaker / "0.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, np.zeros(80), 8000)
    with pytest.raises(ValueError, match=r"Found the subsets test, train .* Give one of them"):
        read_corpus(tmp_path, "tree")
    assert read_corpus(tmp_path / "train", "tree").speakers == ("a", "b")
