"""Copies of rows and files: in one part, refused, or allowed; columns and parts that deserve a remark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from sennit.recipes.table import Rows, Schema, split_rows
from sennit.recipes.table.data.duplicates import find_copies
from sennit.recipes.table.reading.read import read_rows

RNG = np.random.default_rng(0)


def pictures(folder: Path, count: int) -> list[str]:
    """Write pictures, each of which is there twice under another name."""
    names = []
    for i in range(count):
        path = folder / f"{i}.bmp"  # all of one size
        Image.fromarray(np.full((8, 8, 3), i // 2, np.uint8)).save(path)
        names.append(path.name)
    return names


def schema(**more: Any) -> Schema:
    raw = {"inputs": {"photo": {"kind": "image", "column": "photo", "size": 8}}, **more}
    return Schema.of({"targets": {"y": {"kind": "class", "column": "y"}}, **raw})


def parts_of(rows: Rows) -> dict[int, str]:
    return {i: name for name, indices in rows.subsets.items() for i in indices}


def table(folder: Path, **columns: Any) -> Rows:
    frame = pl.DataFrame({"photo": pictures(folder, 60), "y": ["a", "b", "b", "a"] * 15, **columns})
    frame.write_csv(folder / "t.csv")
    return read_rows(folder / "t.csv")


def test_files_of_the_same_contents_are_drawn_into_one_part(tmp_path: Path) -> None:
    rows = table(tmp_path)
    for split in ({"by": "random", "test": 0.2}, {"by": "folds", "folds": 4}):
        _, grouped = split_rows(rows, schema(split=split))
        part = parts_of(grouped)
        assert len(part) == 60
        assert all(part[i] == part[i + 1] for i in range(0, 60, 2))
        assert any("60 rows have a copy" in note and "kept in one part" in note for note in grouped.notes)
    _, allowed = split_rows(rows, schema(split={"by": "random", "test": 0.2}, duplicates="allow"))
    assert any(parts_of(allowed)[i] != parts_of(allowed)[i + 1] for i in range(0, 60, 2))
    with pytest.raises(ValueError, match=r"row \d+ should be no copy of a row of another part"):
        split_rows(rows, schema(split={"by": "random", "test": 0.2}, duplicates="refuse"))
    with pytest.raises(ValueError, match=r"unknown value of `duplicates` 'drop'"):
        schema(duplicates="drop")


def test_training_copies_of_rows_that_a_declared_split_tests_are_left_out(tmp_path: Path) -> None:
    parts = ["train"] * 41 + ["validation"] * 8 + ["test"] * 11  # rows 40 and 41, 48 and 49 are copies
    _, rows = split_rows(table(tmp_path, part=parts), schema(split={"by": "column", "column": "part"}))
    assert 40 not in rows.subsets["train"]
    assert rows.subsets["validation"] == [41, 42, 43, 44, 45, 46, 47]
    assert rows.subsets["test"] == list(range(49, 60))
    assert any("2 that are tested, or choose the epoch, elsewhere are left out" in n for n in rows.notes)


def test_rows_of_the_same_cells_are_copies_unless_by_chance() -> None:
    raw = {
        "inputs": {"t": {"kind": "table", "numbers": ["u", "v"]}},
        "targets": {"y": {"kind": "class", "column": "y"}},
    }
    unlike = pl.DataFrame({"u": RNG.normal(size=100), "v": RNG.normal(size=100), "y": ["a", "b"] * 50})
    twice = pl.concat([unlike, unlike[:10]])
    copies = find_copies(read_rows(twice), Schema.of(raw))
    assert copies.count == 20
    assert all(copies.units[i] == copies.units[100 + i] for i in range(10))
    few = pl.DataFrame({"u": [0, 1] * 50, "v": [0, 0, 1, 1] * 25, "y": ["a", "b"] * 50})
    assert find_copies(read_rows(few), Schema.of(raw)).count == 0


def test_a_picture_of_very_many_rows_is_a_placeholder(tmp_path: Path) -> None:
    frame = pl.DataFrame({"photo": [*pictures(tmp_path, 30), *["0.bmp"] * 30], "y": ["a", "b"] * 30})
    frame.write_csv(tmp_path / "t.csv")
    copies = find_copies(read_rows(tmp_path / "t.csv"), schema())
    assert copies.notes == ["32 rows share a file of 'photo': no reason to group them."]
    assert copies.count == 28


def test_a_part_of_one_class_and_a_column_that_tells_the_answer_are_noted() -> None:
    y = ["a", "b"] * 30
    columns = {"x": RNG.normal(size=60), "code": [{"a": "1", "b": "2"}[k] for k in y], "y": y}
    frame = pl.DataFrame({**columns, "part": ["test" if i % 10 == 0 else "train" for i in range(60)]})
    raw = {
        "inputs": {"t": {"kind": "table", "numbers": ["x"], "categories": {"code": None}}},
        "targets": {"y": {"kind": "class", "column": "y"}},
        "split": {"by": "column", "column": "part"},
    }
    notes = split_rows(read_rows(frame), Schema.of(raw))[1].notes
    assert any("y: every test row with a label is 'a'" in note for note in notes)
    assert any(
        "Input 'code' seems to give the answer away, as its values tell those of 'y'" in n for n in notes
    )
