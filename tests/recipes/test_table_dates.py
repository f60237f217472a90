"""Dates of a table: their formats, their numbers, and the days between them."""

from __future__ import annotations

import math
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sennit.recipes.table import TableDataset, predict_rows, split_rows
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.reading.dates import read_dates
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.schema.guess import guess_schema
from sennit.recipes.table.schema.schema import Schema

FORMATS = {
    "2024-01-31": datetime(2024, 1, 31),
    "2024/1/31 08:05": datetime(2024, 1, 31, 8, 5),
    "2024-01-31T08:05:09.25Z": datetime(2024, 1, 31, 8, 5, 9),
    "2024-01-31 08:05+02:00": datetime(2024, 1, 31, 8, 5),
    "20240131": datetime(2024, 1, 31),
    "31.1.2024": datetime(2024, 1, 31),
    "31/01/2024": datetime(2024, 1, 31),
    "01/31/2024 23:00": datetime(2024, 1, 31, 23),
    "31 Jan 2024": datetime(2024, 1, 31),
    "Jan 31, 2024": datetime(2024, 1, 31),
    "31-January-2024": datetime(2024, 1, 31),
}


@pytest.mark.parametrize("text", FORMATS)
def test_usual_formats_are_read(text: str) -> None:
    assert read_dates(read_rows(pl.DataFrame({"d": [text, None]})), "d") == [FORMATS[text], None]


def test_what_is_no_date_is_a_fault_and_what_is_ambiguous_is_refused_with_the_fix() -> None:
    rows = read_rows(pl.DataFrame({"d": ["2024-02-30", "soon", "2024-13-01"], "e": ["1/2/2024"] * 3}))
    assert all("should hold a date. Found '" in str(fault) for fault in read_dates(rows, "d"))
    with pytest.raises(
        ValueError, match=r"row 0, column 'e' .* Say which comes first with `date_order: day`"
    ):
        read_dates(rows, "e")
    assert read_dates(rows, "e", "day")[0] == datetime(2024, 2, 1)
    assert read_dates(rows, "e", "month")[0] == datetime(2024, 1, 2)
    days = read_rows(pl.DataFrame({"d": [date(2024, 1, 2), datetime(2024, 1, 2, 3)]}, strict=False))
    assert read_dates(days, "d")[0] == datetime(2024, 1, 2)


def schema(**table: Any) -> Schema:
    raw = {"inputs": {"t": {"kind": "table", **table}}, "targets": {"y": {"kind": "class", "column": "y"}}}
    return Schema.of(raw)


def test_parts_are_years_cycles_and_days_since_another_date() -> None:
    frame = pl.DataFrame(
        {
            "admitted": ["2024-07-01 06:00", "2023-01-02", None],
            "born": ["1990-07-01", None, "2000-01-01"],
            "y": ["a", "b", "a"],
        }
    )
    parts = ["year", "days", "weekday", "hour", "since born"]
    data = TableDataset(frame, schema(numbers=[], dates={"admitted": parts}))
    monday = [0.0, 1.0]  # the sine and the cosine of the first day of a week
    days = (date(2024, 7, 1) - date(1970, 1, 1)).days + 0.25
    since = (date(2024, 7, 1) - date(1990, 7, 1)).days + 0.25
    assert data[0]["inputs"]["t"] == pytest.approx([2024, days, *monday, 1.0, 0.0, since], abs=1e-9)
    assert data[1]["inputs"]["t"][-1] is None
    encoder = data.schema.inputs["t"].make_encoder()
    names = ["year", "days", "weekday_sin", "weekday_cos", "hour_sin", "hour_cos", "since born"]
    assert encoder.rows.columns == tuple(f"admitted.{name}" for name in names)
    assert encoder.columns_to_tensor is not None


def test_open_parts_and_the_order_are_taken_from_the_training_rows(tmp_path: Path) -> None:
    frame = pl.DataFrame({"when": ["3/4/2023", "25/4/2023", "1/5/2023 12:30"], "y": ["a", "b", "a"]})
    data = TableDataset(frame, schema(dates={"when": None}))
    complete = data.schema.to_dict()["inputs"]["t"]
    assert complete["dates"] == {"when": ["month", "weekday", "day_of_year", "hour"]}
    assert complete["date_order"] == "day"
    again = TableDataset(pl.DataFrame({"when": ["3/4/2023"]}), data.schema, labelled=False)
    april = 2 * math.pi * 3 / 12
    assert again[0]["inputs"]["t"][:2] == pytest.approx([math.sin(april), math.cos(april)])


def test_dates_are_guessed_trained_on_and_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    days = [date(2024, 1 + i % 12, 1 + i % 28) for i in range(80)]
    columns = {
        "start": [str(d) for d in days],
        "end": [f"{d.day + 0:02d}.{d.month:02d}.{d.year + 1}" for d in days],
        "unclear": [f"{1 + i % 12}/{1 + i % 7}/2024" for i in range(80)],
        "season": ["winter" if d.month in (12, 1, 2) else "summer" for d in days],
    }
    pl.DataFrame(columns).write_csv("t.csv")
    guess = guess_schema(read_rows("t.csv"), target="season")
    table = guess.raw["inputs"]["table"]
    assert table["dates"] == {
        "start": ["month", "weekday", "day_of_year"],
        "end": ["month", "weekday", "day_of_year", "since start"],
    }
    assert "declare them under `dates:` with `date_order: day` or `month`" in guess.reasons["unclear"]
    assert split_rows(read_rows("t.csv"), guess.schema)[1].sizes["train"] > 60
    options = ["--epochs=30", "--lr=0.02", "--workers=0", "--preset=fast", "--width=16"]
    out = main(["fit", "t.csv", "--target", "season", *options])
    new = pl.DataFrame({"start": ["2024-01-15", "2024-06-15"], "end": ["15.01.2025", "15.06.2025"]})
    answers = predict_rows(out, new)
    assert [a["season"]["label"] for a in answers] == ["winter", "summer"]


def test_an_unknown_part_or_order_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown part of a date .* 'weakday'. Did you mean 'weekday'"):
        schema(dates={"d": ["weakday"]})
    with pytest.raises(ValueError, match=r"unknown value of `date_order` 'year'"):
        schema(dates={"d": ["year"]}, date_order="year")
    with pytest.raises(ValueError, match=r"lacks a column that inputs.t reads: unknown column 'born'"):
        TableDataset(pl.DataFrame({"d": ["2024-01-01"], "y": ["a"]}), schema(dates={"d": ["since born"]}))
