"""Parquet files and data frames whose cells are files, lists, dates or numbers of any kind."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from PIL import Image

from sennit.recipes.table import BadCell, Schema, TableDataset, load_data, read_rows, split_rows
from sennit.recipes.table.schema.guess import guess_schema
from tests.cases.wav import RATE, write_wav
from tests.recipes.table_files import write_yaml


def png(i: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (4, 4), (i * 20, 0, 0)).save(file, "PNG")
    return file.getvalue()


def frame(**columns: list[Any]) -> pl.DataFrame:
    return pl.DataFrame({**columns, "label": [i % 2 for i in range(12)]})


def test_pictures_as_the_hub_writes_them_are_guessed_and_read(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "0.png")
    cells = [{"bytes": png(i), "path": None} for i in range(11)] + [{"bytes": None, "path": "0.png"}]
    frame(image=cells, tags=[["red", "dark"], [], None] * 4).write_parquet(tmp_path / "t.parquet")
    guess = guess_schema(read_rows(tmp_path / "t.parquet"))
    assert guess.raw["inputs"] == {"image": {"kind": "image", "column": "image", "size": 16}}
    assert guess.reasons["tags"].startswith("left out: lists")
    raw = {**guess.raw, "targets": {"tags": {"kind": "multilabel", "column": "tags"}}}
    schema, rows = load_data(
        str(tmp_path / "t.parquet"), write_yaml(tmp_path / "s.yaml", raw), skip_bad_rows=True
    )
    assert not rows.bad
    assert schema.to_dict()["targets"]["tags"]["labels"] == ["dark", "red"]
    assert schema.targets["tags"].read(rows)[:3] == [[1, 1], [0, 0], None]
    image = schema.inputs["image"].make_encoder().to_tensor(TableDataset(rows, schema)[3]["inputs"]["image"])
    assert image.shape == (3, 4, 4)


def test_sounds_in_cells_are_guessed_with_their_rate(tmp_path: Path) -> None:
    contents = write_wav(tmp_path / "a.wav").read_bytes()
    guess = guess_schema(read_rows(frame(voice=[contents] * 12)))
    assert guess.raw["inputs"]["voice"] == {"kind": "audio", "column": "voice", "sample_rate": RATE}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"kind": "text", "column": "image"},
            "Found the contents of a file. Declare it as an image or audio",
        ),
        (
            {"kind": "table", "categories": {"lists": None}},
            "column 'lists' .* Found a list. A list is read as",
        ),
        (
            {"kind": "table", "numbers": ["when"]},
            "column 'when' .* Found '2021-01-01 .* the days since a day",
        ),
    ],
)
def test_other_uses_of_such_columns_are_refused_by_column(spec: dict[str, Any], message: str) -> None:
    data = frame(image=[png(0)] * 12, lists=[["a"]] * 12, when=[datetime(2021, 1, 1)] * 12)
    raw = {"inputs": {"x": spec}, "targets": {"label": {"kind": "class", "column": "label"}}}
    with pytest.raises(BadCell, match=f"row 0, {'' if 'column' in message else '.*'}{message}") as caught:
        split_rows(read_rows(data), Schema.of(raw))
    assert len(str(caught.value)) < 400


def test_a_damaged_picture_in_a_cell_is_refused_by_row() -> None:
    data = frame(image=[png(0)[:40]] * 12)
    raw = {
        "inputs": {"x": {"kind": "image", "column": "image"}},
        "targets": {"label": {"kind": "class", "column": "label"}},
    }
    with pytest.raises(BadCell, match=r"row 0, column 'image' holds a file: the image cannot be read as"):
        split_rows(read_rows(data), Schema.of(raw))


def test_a_frame_of_pandas_is_read_as_one_of_polars() -> None:
    columns = {"n": [1, None, 3], "text": ["a", None, "c"]}
    ours, theirs = read_rows(pd.DataFrame(columns)), read_rows(pl.DataFrame(columns))
    assert ours.numbers("n") == theirs.numbers("n") == [1, None, 3]
    assert ours.texts("text") == theirs.texts("text") == ["a", None, "c"]
    with pytest.raises(TypeError, match=r"a data frame of polars or pandas. Found list"):
        read_rows([1, 2])  # type: ignore[arg-type]
