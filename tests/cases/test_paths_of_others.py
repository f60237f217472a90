"""A column of pictures as others write it: ids, other folders, backslashes, addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sennit.recipes.table import BadCell, load_data
from tests.recipes.table_files import write_yaml


def load(place: Path, cell: str, **options: Any) -> dict[str, int]:
    (place / "images").mkdir(exist_ok=True)
    for i in range(12):
        Image.new("RGB", (4, 4)).save(place / "images" / f"id_{i:04d}.jpg")
    lines = "".join(f"{cell.format(i)},{'ab'[i % 2]}\n" for i in range(12))
    (place / "d.csv").write_text(f"image,label\n{lines}")
    raw = {
        "inputs": {"image": {"kind": "image", "column": "image", **options}},
        "targets": {"y": {"kind": "class", "column": "label"}},
    }
    return load_data(str(place / "d.csv"), write_yaml(place / "s.yaml", raw))[1].sizes


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        ("images/id_{:04d}.jpg", {}),
        ("images\\id_{:04d}.jpg", {}),
        ("id_{:04d}.jpg", {"folder": "images"}),
        ("id_{:04d}", {"folder": "images", "ending": ".jpg"}),
        ("images/id_{:04d}", {"ending": ".jpg"}),
    ],
)
def test_paths_are_read_with_the_options_that_the_errors_name(
    tmp_path: Path, cell: str, options: dict[str, str]
) -> None:
    assert load(tmp_path, cell, **options) == {"train": 10, "validation": 1, "test": 1}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("id_{:04d}", r"Is it 'images/id_0000.jpg' in .* `folder: images` and `ending: .jpg` in the schema"),
        ("id_{:04d}.jpg", r"Is it 'images/id_0000.jpg' in .* give the input `folder: images` in the schema"),
        ("images/id_{:04d}", r"Is it 'id_0000.jpg' in '.*images'\? Then give the input `ending: .jpg`"),
        ("images/id_{:04d}.JPG", r"Is it 'id_0000.jpg' in '.*images'\?"),
        ("photos\\id_{:04d}.jpg", r"Is it 'images/id_0000.jpg' in"),
        ("images/id_{:04d}.jpg;images/id_0000.jpg", r"A cell names one file: make a column for each"),
        ("https://example.org/{}.jpg", r"is an address. Download the file"),
        ("nothing_{}.jpg", r"Paths are relative to the table's folder"),
    ],
)
def test_the_nearest_file_and_the_option_are_named(tmp_path: Path, cell: str, message: str) -> None:
    with pytest.raises(BadCell, match=rf"row 2, column 'image' .*{message}"):
        load(tmp_path, cell)
