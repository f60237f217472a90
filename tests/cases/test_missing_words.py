"""One list of words for a missing cell, whatever the column."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sennit.data.missing_words import MISSING_WORDS
from sennit.recipes.table import Schema, TableDataset, read_rows, split_rows
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.xvector.data.manifest import read_manifest
from tests.cases.wav import write_wav

RAW = {
    "inputs": {"t": {"kind": "table", "numbers": ["mass"], "categories": {"island": None}}},
    "targets": {
        "sex": {"kind": "class", "column": "sex"},
        "tags": {"kind": "multilabel", "column": "tags"},
        "age": {"kind": "number", "columns": ["age"]},
    },
    "split": {"by": "random", "validation": 0, "test": 0},
}


def table(word: str) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "mass": ["3.5", "4.5", word, "5"] * 3,
            "island": ["a", word, "b", "a"] * 3,
            "sex": ["male", "female", word, "male"] * 3,
            "tags": ["x|y", word, "x", "y"] * 3,
            "age": ["1", "2", "3", word] * 3,
        }
    )


@pytest.mark.parametrize("word", MISSING_WORDS)
def test_a_missing_word_is_blank_in_every_kind_of_column(word: str) -> None:
    schema, rows = split_rows(read_rows(table(word)), Schema.of(RAW))
    data = TableDataset(rows, schema)
    assert schema.to_dict()["targets"]["sex"]["classes"] == ["female", "male"]
    assert schema.to_dict()["targets"]["tags"]["labels"] == ["x", "y"]
    assert schema.to_dict()["inputs"]["t"]["categories"] == {"island": ["a", "b"]}
    assert [data[i]["inputs"]["t"] for i in range(3)] == [[3.5, 0], [4.5, None], [None, 1]]
    assert [sorted(data[i]["targets"]) for i in range(4)] == [
        ["age", "sex", "tags"], ["age", "sex"], ["age", "tags"], ["sex", "tags"],
    ]  # fmt: skip
    listed = ", ".join(f"'{word}' in '{column}' (3)" for column in ("mass", "island", "sex", "tags", "age"))
    assert rows.notes[0] == f"Counted as blank: {listed}. The schema's key `missing` sets these words."


def test_the_guess_sees_numbers_and_classes_beside_them() -> None:
    raw = guess_schema(read_rows(table("NA")), target="sex").raw
    assert raw["inputs"]["table"]["numbers"] == ["mass", "age"]
    assert raw["targets"] == {"sex": {"kind": "class", "column": "sex", "classes": ["female", "male"]}}


def test_the_schema_may_set_the_words() -> None:
    schema = Schema.of({**RAW, "missing": ["unknown"]})
    assert Schema.of(schema.to_dict()) == schema
    rows = schema.reading(read_rows(table("unknown")))
    assert rows.texts("sex")[:3] == ["male", "female", None]
    assert schema.reading(read_rows(table("NA"))).texts("sex")[2] == "NA"


def test_a_declared_class_is_never_missing() -> None:
    raw = {**RAW, "targets": {"sex": {"kind": "class", "column": "sex", "classes": ["NA", "female", "male"]}}}
    schema, rows = split_rows(read_rows(table("NA")), Schema.of(raw))
    assert schema.targets["sex"].read(rows)[:3] == [2, 1, 0]
    assert "in 'sex'" not in rows.notes[0]


def test_a_label_of_a_manifest_is_unknown(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_wav(tmp_path / f"{name}.wav")
    (tmp_path / "m.csv").write_text("path,speaker,accent\na.wav,ann,NA\nb.wav,bob,scots\n")
    corpus = read_manifest(tmp_path / "m.csv")
    assert corpus.classes["accent"] == ("scots",)
    assert corpus.labels["accent"].tolist() == [-1, 0]
