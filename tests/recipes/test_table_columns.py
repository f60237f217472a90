"""Tables read by columns: the same samples and batches as row by row, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.recipes.table import split_rows
from sennit.recipes.table.data.load import open_subset
from sennit.recipes.table.reading.numbers import plain_numbers
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import BadCell, Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.trained import TrainedTable
from sennit.recipes.table.training.batches import loader_options
from sennit.recipes.table.training.decision import Decision
from sennit.recipes.table.training.decisions import Decisions
from sennit.recipes.table.training.model import build_model
from sennit.recipes.table.training.scales import ScaledCollate, TargetScales, fit_inputs

TARGETS: dict[str, Any] = {
    "kind": {"kind": "class", "column": "kind"},
    "tags": {"kind": "multilabel", "column": "tags"},
    "flags": {"kind": "multilabel", "columns": ["f0", "f1"]},
    "sizes": {"kind": "number", "columns": ["s0", "s1"]},
    "counts": {"kind": "number", "columns": ["count"], "transform": "log"},
    "grade": {"kind": "ordinal", "column": "grade", "classes": ["low", "middle", "high"]},
    "life": {"kind": "survival", "time": "count", "event": "event"},
}
INPUTS: dict[str, Any] = {
    "first": {"kind": "table", "numbers": ["a", "b"], "categories": {"colour": None}},
    "second": {"kind": "table", "numbers": ["c"]},
    "few": {"kind": "table", "categories": {"colour": ["red", "blue"]}, "unseen": "missing"},
}
TEXT = {
    "words": {"kind": "text", "column": "words", "encoder": {"name": "bytes", "embed_dim": 8, "depth": 1}}
}


def frame(size: int = 60) -> pl.DataFrame:
    """Return a table in which every column has blanks, and no row is blank."""
    rng = np.random.default_rng(0)

    def with_blanks(values: Any, share: float = 0.2) -> list[Any]:
        return [None if rng.random() < share else v for v in values]

    numbers = {name: with_blanks(rng.normal(size=size) * 1e3) for name in ("a", "b", "s0", "s1")}
    flags = {name: with_blanks(rng.integers(2, size=size).tolist()) for name in ("f0", "f1")}
    pairs = enumerate(zip(numbers["a"], rng.random(size), strict=True))
    c = [x if a is None or i % 5 else None for i, (a, x) in pairs]
    return pl.DataFrame(
        {
            **numbers,
            **flags,
            "c": c,
            "colour": with_blanks(rng.choice(["red", "blue", "green"], size)),
            "count": with_blanks(rng.integers(1, 50, size).tolist()),
            "event": with_blanks(rng.choice(["yes", "no"], size)),
            "grade": with_blanks(rng.choice(["low", "middle", "high"], size)),
            "kind": with_blanks(rng.choice(["dog", "bell"], size)),
            "tags": with_blanks(rng.choice(["x", "y|x", "|"], size)),
            "words": with_blanks([f"word {i}" for i in range(size)]),
        }
    )


def equal(a: Any, b: Any) -> bool:
    """Return whether two batches agree in every bit."""
    return all(_same(getattr(a, name), getattr(b, name)) for name in Batch.__dataclass_fields__)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(7e7), b.nan_to_num(7e7))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    return bool(a == b)


@pytest.mark.filterwarnings("ignore:.*hold values that no training row has")
@pytest.mark.parametrize("inputs", [INPUTS, {**INPUTS, **TEXT}], ids=["tables", "with text"])
def test_batches_are_those_of_samples_in_the_same_order_and_resume(inputs: dict[str, Any]) -> None:
    schema, rows = split_rows(read_rows(frame()), Schema.of({"inputs": inputs, "targets": TARGETS}))
    model, scales = (
        build_model(schema, fusion="gated", width=8, modality_dropout=0.2),
        TargetScales.fit(schema, rows),
    )

    def loader(**options: Any) -> ResumableLoader:
        return ResumableLoader(**options, batch_size=7, seed=5)

    options = loader_options(rows, schema, "train", model, scales=scales, training=True, seed=5)
    assert isinstance(options["dataset"], BatchDataset) == (inputs is INPUTS)
    data = open_subset(rows, schema, "train", preprocess=slowly(model.preprocessing(training=True)), seed=5)
    by_row = loader(dataset=data, collate_fn=ScaledCollate(model.collate, scales))
    by_column = loader(**options)
    expected = list(by_row)
    assert len(expected) > 3
    assert not all(batch.all_present for batch in expected)
    assert any((b.inputs["few"].isnan() & b.present["few"].unsqueeze(1)).any() for b in expected)
    assert not all(batch.all_labelled for batch in expected)
    batches = iter(by_column)
    assert equal(next(batches), expected[0])
    again = loader(**options)
    again.load_state_dict(by_column.state_dict())
    assert [equal(a, b) for a, b in zip(again, expected[1:], strict=True)] == [True] * (len(expected) - 1)
    assert not equal(expected[0], expected[1])


def test_a_row_of_unseen_categories_alone_is_there_by_either_way() -> None:
    table = {"colour": ["red", "blue"] * 10, "kind": ["dog", "bell"] * 10}
    inputs = {"t": {"kind": "table", "categories": {"colour": None}}}
    targets = {"kind": {"kind": "class", "column": "kind"}}
    schema, _ = split_rows(read_rows(pl.DataFrame(table)), Schema.of({"inputs": inputs, "targets": targets}))
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.0)
    new = read_rows(pl.DataFrame({"colour": ["teal", "red"], "kind": ["dog", "bell"]}))
    rows = replace(schema.reading(new), subsets={"test": [0, 1]})
    options = loader_options(rows, schema, "test", model)
    with pytest.warns(UserWarning, match=r"1 cells of 'colour' hold values that no training row has"):
        data = open_subset(rows, schema, "test", preprocess=slowly(model.preprocessing()))
    assert equal(options["dataset"].__getitems__([0, 1]), model.collate([data[0], data[1]]))
    assert bool(model.collate([data[0]]).present["t"].all())
    blank = replace(new, columns={"colour": [None, "red"], "kind": ["dog", "bell"]})
    with pytest.raises(BadCell, match=r"row 0 should have some input"):
        open_subset(replace(blank, subsets={"test": [0]}), schema, "test")[0]


@pytest.mark.filterwarnings("ignore:.*hold values that no training row has")
def test_answers_for_new_rows_are_those_of_samples() -> None:
    inputs = {"first": {**INPUTS["first"], "dates": {"day": None}}, "few": INPUTS["few"]}
    days = pl.Series("day", [f"2024-{1 + i % 12:02}-1{i % 7}" if i % 5 else None for i in range(60)])
    table = frame().with_columns(days)
    schema, rows = split_rows(read_rows(table), Schema.of({"inputs": inputs, "targets": TARGETS}))
    torch.manual_seed(0)
    model = build_model(schema, fusion="gated", width=8, modality_dropout=0.2).eval()
    fit_inputs(model, schema, rows, seed=0)
    trained = TrainedTable(model, schema, Decisions({"kind": Decision(temperature=2.0, thresholds=(0.6,))}))
    new = table.drop("kind", "tags", "grade").with_columns(colour=pl.col("colour").replace("red", "teal"))
    samples = trained.rows(new)
    by_row = model.predict([samples[i]["inputs"] for i in range(60)])
    assert samples.indices == list(range(60))
    answers = trained.predict(samples)
    assert answers[7]["kind"] == Decision(temperature=2.0, thresholds=(0.6,)).answer(by_row[7]["kind"])
    assert answers[3]["kind"]["probabilities"] != by_row[3]["kind"]["probabilities"]
    for name in set(TARGETS) - {"kind"}:
        values = [numbers_in([row[name] for row in each]) for each in (answers, by_row)]
        np.testing.assert_allclose(*values, rtol=1e-5, atol=1e-6)
    faulty = trained.rows(new.with_columns(a=pl.Series(["1"] * 59 + ["much"])))
    with pytest.raises(BadCell, match=r"row 59, column 'a' should hold a number. Found 'much'"):
        trained.predict(faulty)
    blank = trained.rows(new.with_columns(a=None, b=None, colour=None, day=None))
    with pytest.raises(BadCell, match=r"row 0 should have some input"):
        trained.predict(blank)


def numbers_in(answers: Any) -> list[Any]:
    """Return the numbers of answers, one list a row."""
    return [
        [
            x
            for v in a.values()
            for x in (v.values() if isinstance(v, dict) else np.ravel(v))
            if isinstance(x, float)
        ]
        for a in answers
    ]


def slowly(preprocess: Any) -> Any:
    """Return a preprocessing that reads row by row, as any function of the user's does."""
    return lambda sample: preprocess(sample)


def test_a_faulty_cell_is_refused_where_its_row_is_read() -> None:
    rows = Rows("t.csv", {"a": ["1", "x", "3"], "y": ["0", "1", "0"]}, range(2, 5))
    target = {"kind": "class", "column": "y", "classes": ["0", "1"]}
    inputs = {"t": {"kind": "table", "numbers": ["a"]}}
    schema = Schema.of({"inputs": inputs, "targets": {"y": target}})
    model = build_model(schema, fusion="concat", width=8, modality_dropout=0.0)

    def read(*indices: int) -> Any:
        given = Rows("t.csv", rows.columns, rows.row_numbers, subsets={"train": list(indices)})
        return loader_options(given, schema, "train", model)["dataset"].batch

    assert read(2, 0).inputs["t"].tolist() == [[3.0], [1.0]]
    assert read(2, 0).index.tolist() == [4, 2]
    with pytest.raises(BadCell, match=r"row 3, column 'a' should hold a number. Found 'x'"):
        read(0, 1)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", " 2.5 ", "", None, "NA"], [1.0, 2.5, None, None, None]),
        ([1, 2.5, float("nan"), None], [1.0, 2.5, None, None]),
        (["1", " NA"], [1.0, None]),
        (["1_000", "2"], ["Found '1_000'", 2.0]),
        (["inf", "2"], ["Found 'inf'", 2.0]),
        ([True, 2], ["Found 'True'", 2.0]),
        ([b"1"], "contents of a file"),
        ([2**1100, 1], None),
    ],
)
def test_a_column_read_at_once_is_as_cell_by_cell(cells: list[Any], expected: Any) -> None:
    rows = Rows("t.csv", {"a": cells}, range(len(cells)))
    if isinstance(expected, str):
        with pytest.raises(BadCell, match=expected):
            rows.numbers("a")
        return
    if expected is None:
        assert plain_numbers(cells, rows.missing) is None
        return
    for found, wanted in zip(rows.numbers("a"), expected, strict=True):
        assert wanted in str(found) if isinstance(wanted, str) else found == wanted


def test_a_missing_word_that_is_a_number_is_blank_among_numbers() -> None:
    rows = Rows("t.csv", {"a": [-9, 1], "b": ["-9", "1"]}, range(2), missing=("-9",))
    assert rows.numbers("a") == rows.numbers("b") == [None, 1.0]
    assert rows.with_missing(()).numbers("a") == [-9.0, 1.0]
