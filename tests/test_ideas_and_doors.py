"""One rule for each idea, whichever door the data come in by; the table is in docs/bad_input.md."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from sennit.data import Batch
from sennit.data.view import movable
from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.recipes.table import (
    Rows,
    Schema,
    ShardDataset,
    TableDataset,
    read_rows,
    split_rows,
    write_shards,
)
from sennit.tasks import Classification, MultiTaskModel
from tests.mangling import FOREIGN

PAGE = Path(__file__).parents[1] / "docs" / "bad_input.md"
SCHEMA = Schema.of(
    {
        "inputs": {"t": {"kind": "table", "numbers": ["x"], "categories": {"colour": ["blue", "red"]}}},
        "targets": {"label": {"kind": "class", "column": "label", "classes": ["a", "b"]}},
        "split": {"by": "column", "column": "split", "group": "group"},
    }
)
Row = Mapping[str, Any]
Seen = tuple[Any, ...]


def make_model() -> MultiTaskModel:
    torch.manual_seed(0)
    columns: dict[str, Any] = {"categories": [["blue", "red"]], "columns": ["x", "colour"]}
    encoders = {"t": create_encoder("mlp", num_features=2, width=8, dropout=0.0, **columns)}
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks={"label": Classification(["a", "b"])},
    ).eval()


MODEL = make_model()
FAR = 1e9 + 0.25  # float32 has 1e9 and 1e9 + 64


def seen(batch: Batch) -> Seen:
    """The last row as the model sees it: its cells and its label, None for what is missing."""
    cells = (None if math.isnan(x) else x for x in batch.inputs["t"][-1].tolist())
    return (*cells, batch.targets["label"][-1].item() if batch.labelled["label"][-1] else None)


def of_samples(samples: list[Any]) -> Seen:
    preprocess = MODEL.preprocessing()
    batch = MODEL.collate([preprocess(sample) for sample in samples])
    MODEL(batch)
    return seen(batch)


def collate(row: Row, folder: Path) -> Seen:
    cells = {name: row[name] for name in ("x", "colour")}
    return of_samples([{"inputs": {"t": cells}, "targets": {"label": row["label"]}}])


def tensors(row: Row, folder: Path) -> Seen:
    """Columns as codes, in a `Batch.of` tensors."""
    codes = {"blue": 0.0, "red": 1.0, "green": 2.0, "NA": math.nan, None: math.nan}
    cells = [math.nan if row["x"] in (None, "NA") else row["x"], codes[row["colour"]]]
    label = {"a": 0, "b": 1, "c": 2, "NA": math.nan, None: math.nan}.get(row["label"], row["label"])
    target = torch.tensor([math.nan if label is None else label])
    if not math.isnan(target) and target == target.round():
        target = target.long()
    batch = Batch.of({"t": torch.tensor([cells], dtype=torch.float64)}, targets={"label": target})
    batch.check_finite(frozenset({"t"}))
    MODEL(batch)
    if bool(batch.labelled["label"].any()):
        MODEL.loss(batch)
    return seen(batch)


def predict(row: Row, folder: Path) -> Seen:
    """The answer tells what was read: it is that of the cells in another way of writing."""
    answer = MODEL.predict({"t": {name: row[name] for name in ("x", "colour")}})["label"]["probabilities"][
        "a"
    ]
    for x in (1.5, FAR, None):
        for colour in (1.0, None):
            if MODEL.predict({"t": [x, colour]})["label"]["probabilities"]["a"] == answer:
                return x, colour, row["label"] and 1
    raise AssertionError("the row is read as something else")


def table(row: Row) -> list[dict[str, Any]]:
    """Good rows of each subset, and the row as the last of the training rows."""
    good = [{"x": 1.0, "colour": "blue", "label": "a"}, {"x": 2.0, "colour": "red", "label": "b"}]
    parts = [
        {**good[i % 2], "split": part, "group": f"{part}{i}"}
        for part in ("val", "test", "train")
        for i in range(6)
    ]
    return [*parts, {"split": "train", "group": "last", **row}]


def of_rows(rows: Rows) -> Seen:
    schema, rows = split_rows(rows, SCHEMA)
    last = len(rows) - 1
    trained = last in rows.subsets["train"]
    assert trained != any("1 rows without any label are not trained on" in note for note in rows.notes)
    return of_samples([TableDataset(rows, schema, indices=[last])[0]])


def write_csv(row: Row, folder: Path) -> Path:
    rows, path = table(row), folder / "t.csv"
    with path.open("w") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in r.items()} for r in rows)
    return path


def of_csv(row: Row, folder: Path) -> Seen:
    return of_rows(read_rows(write_csv(row, folder)))


def frame(row: Row, folder: Path) -> pl.DataFrame:
    rows = table(row)
    texts = {name for name in rows[0] for r in rows if isinstance(r[name], str)}
    columns = {n: [str(r[n]) if n in texts and r[n] is not None else r[n] for r in rows] for n in rows[0]}
    return pl.DataFrame(columns, strict=False)


def of_frame(row: Row, folder: Path) -> Seen:
    return of_rows(read_rows(frame(row, folder)))


def of_parquet(row: Row, folder: Path) -> Seen:
    frame(row, folder).write_parquet(folder / "t.parquet")
    return of_rows(read_rows(folder / "t.parquet"))


def of_shards(row: Row, folder: Path) -> Seen:
    """Shards of raw cells, which their reader alone checks."""
    data = TableDataset(write_csv(table(row)[0], folder), SCHEMA)
    rows = read_rows(write_csv(row, folder))
    written = TableDataset(rows, data.schema, indices=[len(rows) - 1])
    write_shards(written, folder / "shards" / "train", samples_per_shard=9)
    return of_samples(list(ShardDataset(str(folder / "shards/train-000000.tar"), data.schema, shuffle=False)))


DOORS: dict[str, Callable[[Row, Path], Seen]] = {
    "samples": collate,
    "`Batch.of` tensors": tensors,
    "`predict`": predict,
    "CSV": of_csv,
    "Parquet": of_parquet,
    "data frame": of_frame,
    "shards": of_shards,
}


REFUSED = "refused"
FILES = ("CSV", "Parquet", "data frame")
LABELS = (*DOORS.keys() - {"`predict`"},)
IDEAS: dict[str, tuple[Row, Seen | str, Sequence[str]]] = {
    "a good row": ({}, (1.5, 1.0, 1), (*DOORS,)),
    "a number that is None, blank or null": ({"x": None}, (None, 1.0, 1), (*DOORS,)),
    "a number that is NaN": ({"x": math.nan}, (None, 1.0, 1), (*DOORS,)),
    "a missing word (NA) for a number": ({"x": "NA"}, (None, 1.0, 1), (*DOORS,)),
    "a category that is None, blank or null": ({"colour": None}, (1.5, None, 1), (*DOORS,)),
    "a missing word for a category": ({"colour": "NA"}, (1.5, None, 1), (*DOORS,)),
    "a label that is None, blank or null": ({"label": None}, (1.5, 1.0, None), LABELS),
    "a missing word for a label": ({"label": "NA"}, (1.5, 1.0, None), LABELS),
    "a number far from zero": ({"x": FAR}, (FAR, 1.0, 1), (*DOORS,)),
    "infinity": ({"x": math.inf}, REFUSED, (*DOORS,)),
    "a number beyond float32": ({"x": 1e300}, REFUSED, (*DOORS,)),
    "a word for a number": ({"x": "wide"}, REFUSED, (*DOORS.keys() - {"`Batch.of` tensors"},)),
    "a category that was not declared": ({"colour": "green"}, REFUSED, (*DOORS,)),
    "a class that was not declared": ({"label": "c"}, REFUSED, LABELS),
    "a class beyond the last": ({"label": 5}, REFUSED, LABELS),
    "a class that is no whole number": ({"label": 0.5}, REFUSED, LABELS),
    "a group in two subsets": ({"group": "test5"}, REFUSED, FILES),
}
"""By idea: what is changed in a good row, what the model sees, and the doors that can have it."""


def words(expected: Seen | str) -> str:
    if isinstance(expected, str):
        return expected
    return "no label" if expected[2] is None else "missing" if None in expected else "read"


def page_table() -> str:
    lines = [f"| | {' | '.join(DOORS)} |", f"| --- |{' --- |' * len(DOORS)}"]
    for idea, (_, expected, doors) in IDEAS.items():
        cells = (words(expected) if door in doors else "–" for door in DOORS)
        lines.append(f"| {idea} | {' | '.join(cells)} |")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("idea", "door"), [(i, d) for i, (*_, doors) in IDEAS.items() for d in sorted(doors)]
)
def test_an_idea_has_one_rule_at_every_door(idea: str, door: str, tmp_path: Path) -> None:
    changes, expected, _ = IDEAS[idea]
    row = {"x": 1.5, "colour": "red", "label": "b", **changes}
    if isinstance(expected, tuple):
        assert DOORS[door](row, tmp_path) == expected
        return
    with pytest.raises((ValueError, TypeError), match=r"Found|unknown class") as refusal:
        DOORS[door](row, tmp_path)
    assert not [word for word in FOREIGN if word in str(refusal.value)]


def test_the_table_is_in_the_page() -> None:
    assert page_table() in PAGE.read_text(encoding="utf-8")


def test_columns_far_from_zero_keep_their_differences() -> None:
    """⚑ Unix times and dates such as 20240115 became one number, first in silence, then with a warning."""
    small = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(1)
    for name in ("mlp", "ft_transformer"):
        encoder = create_encoder(name, num_features=1)
        columns = encoder.columns_to_tensor([small[:, 0].numpy() / 1000 + 1.7e9])
        rows = torch.stack([encoder.to_tensor([x / 1000 + 1.7e9]) for x in small[:, 0].tolist()])
        assert torch.equal(columns, rows)
        encoder.fit(columns)
        values, _, _ = encoder.features.cells(encoder.cast_input(rows))
        expected = (small / small.std(correction=0)).float()
        torch.testing.assert_close(values, expected, rtol=1e-3, atol=1e-3)
        for cast in (encoder.bfloat16, encoder.float):
            torch.testing.assert_close(cast().features.cells(rows)[0], expected, rtol=1e-3, atol=1e-3)


def test_columns_of_tiny_numbers_are_standardised() -> None:
    """⚑ Columns that vary by less than a millionth, such as moles a litre, counted as constant."""
    encoder = create_encoder("mlp", num_features=2)
    encoder.fit(torch.tensor([[1e-9, 5.0], [3e-9, 5.0]]))
    values, _, _ = encoder.features.cells(torch.tensor([[5e-9, 6.0]]))
    torch.testing.assert_close(values, torch.tensor([[3.0, 1.0]]))


def test_values_that_float32_merges_are_said() -> None:
    dates = torch.tensor([20240116.0, 20240118.0, 20240120.0, math.nan])
    encoder = create_encoder("mlp", num_features=1)
    with pytest.warns(UserWarning, match=r"Found feature 0 of about 20240118 .*Subtract .* or give float64"):
        encoder.fit(dates.unsqueeze(1))


def test_a_huge_value_that_hides_the_others_is_said() -> None:
    """⚑ One cell of 1e30 made the rest of a column one number, without a word."""
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    x[7, 1] = -1e30
    with pytest.warns(UserWarning, match=r"feature 1 with -1e\+30 beside values of about 0\.\d+\. Correct"):
        create_encoder("mlp", num_features=2).fit(x)
    with pytest.warns(UserWarning, match="Found feature 1 with -1e"):
        create_encoder("tcn", 2).fit(x.reshape(5, 10, 2))


def test_a_device_without_double_precision_gets_single() -> None:
    """As on Apple's GPUs, which the tests do not have."""
    assert movable(torch.zeros(1, dtype=torch.float64), torch.device("mps")).dtype == torch.float32
    assert movable(torch.zeros(1, dtype=torch.float64), torch.device("cpu")).dtype == torch.float64

    def move(x: torch.Tensor) -> torch.Tensor:
        if x.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return x.clone()

    encoder = create_encoder("mlp", num_features=1)._apply(move)
    assert encoder.features.standardise.mean.dtype == torch.float32
    assert encoder(torch.zeros(1, 1)).pooled.isfinite().all()


if __name__ == "__main__":
    print(page_table())
