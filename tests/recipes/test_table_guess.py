"""The schema that is guessed of a table."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from sennit.recipes.table.data.load import load_data
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.schema.guess import guess_schema, write_guess
from sennit.recipes.table.schema.schema import read_schema
from tests.recipes.table_files import RATE, make_rows, write_csv


def test_every_kind_of_column_is_recognised(tmp_path: Path) -> None:
    rows = make_rows(tmp_path)
    for i, row in enumerate(rows):
        row |= {"id": str(i), "code": f"x{i:03d}", "empty": "", "caption": f"the one that is number {i}"}
    guess = guess_schema(read_rows(write_csv(tmp_path / "t.csv", rows)), target="kind")
    schema = guess.schema.to_dict()
    assert schema["inputs"]["photo"]["kind"] == "image"
    assert (schema["inputs"]["voice"]["kind"], schema["inputs"]["voice"]["sample_rate"]) == ("audio", RATE)
    assert schema["inputs"]["motion"]["kind"] == "series"
    assert schema["inputs"]["caption"]["kind"] == "text"
    assert schema["inputs"]["table"]["numbers"] == ["width", "height", "price"]
    assert schema["inputs"]["table"]["categories"] == {"tags": ["metal|loud", "|"]}
    assert schema["targets"] == {"kind": {"kind": "class", "column": "kind", "classes": ["bell", "dog"]}}
    assert guess.raw["split"] == {"by": "column", "column": "split"}
    assert guess.raw["id"] == "id"
    left_out = {name for name, reason in guess.reasons.items() if reason.startswith("left out")}
    assert left_out == {"code", "empty", "colour", "speaker"}
    assert guess.reasons["colour"] == "left out: gives the answer away, as its values tell those of 'kind'"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b", "a", "b"], "class"),
        (["0", "1", "1", "0"], "class"),
        (["0.5", "1", "1", "0"], "number"),
        (["a|b", "b", "a", "c"], "multilabel"),
    ],
)
def test_the_kind_of_target_follows_from_its_values(values: list[str], kind: str) -> None:
    guess = guess_schema(read_rows(pl.DataFrame({"label": values, "x": [1.5, 2, 4, 3]})))
    assert guess.schema.targets["label"].kind == kind


def test_speakers_are_split_as_groups(tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "split"} for row in make_rows(tmp_path)]
    guess = guess_schema(read_rows(write_csv(tmp_path / "t.csv", rows)), target="kind")
    assert guess.raw["split"]["by"] == "group"


def test_no_target_and_no_input_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Name one with --target"):
        guess_schema(read_rows(pl.DataFrame({"x": [1.5, 2.5]})))
    with pytest.raises(ValueError, match=r"the target reads: unknown column 'lable'. Did you mean 'label'"):
        guess_schema(read_rows(pl.DataFrame({"label": ["a", "b"]})), target="lable")
    with pytest.raises(ValueError, match=r"should have a column that is an input. Found none"):
        guess_schema(read_rows(pl.DataFrame({"label": ["a", "b"]})))


def test_the_written_guess_can_be_read_and_is_never_overwritten(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", make_rows(tmp_path))
    guess = guess_schema(read_rows(path), target="price")
    write_guess(tmp_path / "s.yaml", guess, data="t.csv")
    text = (tmp_path / "s.yaml").read_text()
    assert read_schema(tmp_path / "s.yaml") == guess.schema
    assert all(f"#   {name}: {reason}" in text for name, reason in guess.reasons.items())
    assert load_data(str(path), tmp_path / "s.yaml")[1].sizes["train"] == 12
    with pytest.raises(FileExistsError, match=r"exists already, and may have been edited"):
        write_guess(tmp_path / "s.yaml", guess, data="t.csv")
    assert (tmp_path / "s.yaml").read_text() == text


def test_files_that_are_not_there_are_no_input(tmp_path: Path) -> None:
    guess = guess_schema(read_rows(pl.DataFrame({"photo": ["a.png", "b.png"], "x": [1, 5], "y": ["u", "v"]})))
    assert guess.reasons["photo"].startswith("left out: names like image files, but 'a.png' does not exist")


def test_several_targets_are_no_inputs_of_one_another() -> None:
    frame = pl.DataFrame(
        {"a": ["x", "y"] * 10, "b": [1.5 * i for i in range(20)], "n": [i**2 % 7 for i in range(20)]}
    )
    for target in ("a,b", ["a", "b"]):
        guess = guess_schema(read_rows(frame), target=target)
        assert list(guess.schema.targets) == ["a", "b"]
        assert guess.schema.input_columns == ["n"]


def test_a_function_of_a_target_is_left_out_unless_it_may_be_chance() -> None:
    kinds = [f"k{i % 6}" for i in range(60)]
    columns = {
        "kind": kinds,
        "family": [f"f{int(k[1]) // 2}" for k in kinds],
        "log": [math.log(10 + 7 * i % 60) for i in range(60)],
        "size": [10.0 + 7 * i % 60 for i in range(60)],
        "noise": [f"v{i * i % 5}" for i in range(60)],
    }
    guess = guess_schema(read_rows(pl.DataFrame(columns)), target=["kind", "size"])
    assert guess.schema.input_columns == ["noise"]
    assert guess.reasons["family"].endswith("each value of 'kind' has one value of it")
    assert guess.reasons["log"].endswith("its numbers follow those of 'size' (correlation 1.0000)")
    few = pl.DataFrame({"label": ["a", "a", "b", "b"], "colour": ["red", "red", "blue", "blue"]})
    assert guess_schema(read_rows(few)).schema.input_columns == ["colour"]


@pytest.mark.parametrize(
    ("parts", "split"),
    [
        (
            ["train", "test"],
            {"by": "column", "column": "set", "validation": 0.1, "seed": 0, "group": "speaker_id"},
        ),
        (["train", "valid", "test"], {"by": "column", "column": "set", "group": "speaker_id"}),
    ],
)
def test_groups_are_respected_beside_declared_parts(parts: list[str], split: dict[str, object]) -> None:
    speakers = [i // 4 for i in range(48)]
    columns = {
        "utt_id": [f"u{i}" for i in range(48)],
        "speaker_id": [f"s{s}" for s in speakers],
        "set": [parts[s % len(parts)] for s in speakers],
        "label": [("a", "b")[i % 2] for i in range(48)],
        "x": [i * i % 7 for i in range(48)],
    }
    rows = read_rows(pl.DataFrame(columns))
    guess = guess_schema(rows)
    assert guess.raw["split"] == split
    assert (guess.raw["id"], guess.schema.input_columns) == ("utt_id", ["x"])
    subsets = guess.schema.split.assign(rows)
    held = [{speakers[i] for i in subset} for subset in subsets.values()]
    assert all(held)
    assert sum(map(len, held)) == 12
    columns["set"] = [parts[i % len(parts)] for i in range(48)]
    crossing = guess_schema(read_rows(pl.DataFrame(columns)))
    assert "group" not in crossing.raw["split"]
    assert "are in several parts of the declared split" in crossing.reasons["speaker_id"]
    assert crossing.schema.input_columns == ["x"]


def test_functions_of_a_target_over_many_rows_do_not_underflow() -> None:
    columns = {
        "label": ["a", "b"] * 5000,
        "code": [3, 4] * 5000,
        "one": [None, 1] * 5000,
        "x": [*range(10000)],
    }
    guess = guess_schema(read_rows(pl.DataFrame(columns)))
    assert guess.reasons["code"].endswith("as its values tell those of 'label'")
    assert guess.schema.input_columns == ["one"]


@pytest.mark.parametrize(
    ("name", "cells", "chosen"),
    [
        ("patient", [f"P{i:03d}" for i in range(8)], True),
        ("position", [str(i + 5) for i in range(8)], True),
        ("remark", [f"number {i} came" for i in range(8)], False),
        ("weight", [str(i + 0.5) for i in range(8)], False),
        ("income", [str(i * i + 7) for i in range(8)], False),  # whole numbers that may tell the answer
        ("scan", [f"scan{i}.png" for i in range(8)], False),
    ],
)
def test_a_word_or_count_of_its_own_in_each_row_is_its_id(name: str, cells: list[str], chosen: bool) -> None:
    frame = pl.DataFrame({name: cells, "size": [1.5, 2.5] * 4, "kind": ["a", "b", "b", "a"] * 2})
    guess = guess_schema(read_rows(frame), target="kind")
    assert (guess.raw.get("id") == name) is chosen
    assert (guess.reasons[name] == "the row's id: every row has another value; no input") is chosen


def test_an_id_by_name_stands_above_other_columns_of_distinct_words() -> None:
    frame = pl.DataFrame(
        {
            "code": [f"x{i}" for i in range(8)],
            "row_id": [f"r{i}" for i in range(8)],
            "size": [1.5, 2.5] * 4,
            "kind": ["a", "b", "b", "a"] * 2,
        }
    )
    guess = guess_schema(read_rows(frame), target="kind")
    assert guess.raw["id"] == "row_id"
    assert guess.reasons["code"] == "left out: every row has another value, such as 'x0'"


def test_pictures_keep_their_size_up_to_64_pixels(tmp_path: Path) -> None:
    for i, side in enumerate((20, 28, 28, 200)):
        Image.new("RGB", (side, side // 2)).save(tmp_path / f"{i}.png")
    rows = "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(4))
    (tmp_path / "t.csv").write_text(f"photo,y\n{rows}")
    guess = guess_schema(read_rows(tmp_path / "t.csv"), target="y")
    assert guess.schema.to_dict()["inputs"]["photo"]["size"] == 28
