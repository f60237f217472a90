"""The schema that is guessed of a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

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
    assert schema["split"] == {"by": "column", "column": "split"}
    left_out = {name for name, reason in guess.reasons.items() if reason.startswith("left out")}
    assert left_out == {"id", "code", "empty", "colour", "speaker"}
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
    with pytest.raises(ValueError, match=r"--target reads: unknown column 'lable'. Did you mean 'label'"):
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
