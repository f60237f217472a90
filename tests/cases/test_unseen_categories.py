"""New rows with a value that training never had, and one number written in two ways."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sennit.recipes.table import BadCell, Schema, TableDataset, read_rows, split_rows
from sennit.recipes.table.training.model import build_model

TRAIN = pl.DataFrame(
    {
        "x": list(range(40)),
        "colour": ["red", "blue"] * 20,
        "store": [None if i == 5 else float(i % 12) for i in range(40)],
        "label": list("ab") * 20,
    }
)
NEW = pl.DataFrame({"x": [1, 2, 3], "colour": ["red", "green", "blue"], "store": ["1.0", "2", "11"]})


def schema(**options: object) -> Schema:
    table = {"kind": "table", "numbers": ["x"], "categories": {"colour": None, "store": None}, **options}
    return Schema.of({"inputs": {"t": table}, "targets": {"label": {"kind": "class", "column": "label"}}})


def test_an_unseen_value_is_blank_and_a_number_is_one_category() -> None:
    complete, _ = split_rows(read_rows(TRAIN), schema())
    table = complete.to_dict()["inputs"]["t"]
    assert table["categories"]["store"] == [str(i) for i in range(12)]
    assert table["unseen"] == "missing"
    with pytest.warns(UserWarning, match=r"1 cells of 'colour' .* such as 'green' in row 1: they count as"):
        data = TableDataset(NEW, complete, labelled=False)
    assert [data[i]["inputs"]["t"] for i in range(3)] == [[1, 1, 1], [2, None, 2], [3, 0, 11]]
    model = build_model(complete, fusion="concat", width=8, modality_dropout=0.0)
    answers = model.predict([data[i]["inputs"] for i in range(3)])
    assert {answer["label"]["label"] for answer in answers} <= {"a", "b"}


def test_a_value_of_one_row_stops_no_training_and_is_said(tmp_path: Path) -> None:
    rare = TRAIN.with_columns(colour=pl.Series(["teal", *["red", "blue"] * 19, "red"]))
    notes = set()
    for seed in range(8):
        raw = {**schema().to_dict(), "split": {"by": "random", "seed": seed}}
        complete, rows = split_rows(read_rows(rare), Schema.of(raw))
        if "teal" not in complete.to_dict()["inputs"]["t"]["categories"]["colour"]:
            notes |= {note for note in rows.notes if note.startswith("1 cells")}
    such = "such as 'teal' in row 0: they count as blank."
    assert notes == {f"1 cells of 'colour' hold values that no training row has, {such}"}


def test_declared_categories_are_refused_with_the_valve() -> None:
    complete, _ = split_rows(read_rows(TRAIN), schema(unseen="refuse"))
    data = TableDataset(NEW, complete, labelled=False)
    with pytest.raises(BadCell, match=r"row 1, column 'colour' should be one of .* `unseen: missing`"):
        data[1]
    with pytest.raises(ValueError, match=r"unknown value of `unseen` 'ignore'"):
        schema(unseen="ignore")


def test_classes_of_whole_numbers_are_in_the_order_of_their_size() -> None:
    frame = TRAIN.with_columns(label=pl.Series([None, *(float(i % 11) for i in range(39))]))
    complete, _ = split_rows(read_rows(frame), schema())
    assert complete.to_dict()["targets"]["label"]["classes"] == [str(i) for i in range(11)]
