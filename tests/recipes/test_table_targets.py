"""Kinds of target, losses, transforms and metrics of a schema, from the table to the answers."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sennit.recipes.table import predict_rows, split_rows
from sennit.recipes.table.__main__ import main
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.report.baselines import no_better_note
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.scales import TargetScales
from sennit.recipes.table.training.train import monitor_of
from tests.recipes.table_files import write_yaml

RNG = np.random.default_rng(0)
X = RNG.normal(size=120)
FRAME = pl.DataFrame(
    {
        "x": X,
        "price": 1.7e9 + 1e5 * (X + 0.1 * RNG.normal(size=120)),
        "skewed": np.exp(4 + X + 0.1 * RNG.normal(size=120)),
        "visits": RNG.poisson(np.exp(1 + 0.7 * X)),
        "grade": [("low", "middle", "high")[int(k)] for k in np.digitize(X, [-0.5, 0.5])],
        "days": np.exp(3 - X).round(2),
        "died": ["yes" if u < 0.7 else "no" for u in RNG.random(120)],
    }
)
TARGETS: dict[str, dict[str, Any]] = {
    "price": {"kind": "number", "columns": ["price"], "loss": "quantile", "quantiles": [0.1, 0.5, 0.9]},
    "skewed": {
        "kind": "number",
        "columns": ["skewed"],
        "loss": "huber",
        "transform": "log",
        "metric": "rmse",
    },
    "visits": {"kind": "number", "columns": ["visits"], "loss": "poisson", "metric": ["mae", "rmse"]},
    "grade": {"kind": "ordinal", "column": "grade", "classes": ["low", "middle", "high"]},
    "life": {"kind": "survival", "time": "days", "event": "died"},
}


def load(targets: dict[str, Any], frame: pl.DataFrame = FRAME, **more: Any) -> tuple[Schema, Rows]:
    raw = {"inputs": {"t": {"kind": "table", "numbers": ["x"]}}, "targets": targets, **more}
    return split_rows(read_rows(frame), Schema.of({"split": {"by": "random", "test": 0.2}, **raw}))


def test_every_kind_of_target_is_learned_saved_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    FRAME.write_csv("t.csv")
    raw = {"inputs": {"t": {"kind": "table", "numbers": ["x"]}}, "targets": TARGETS}
    write_yaml(tmp_path / "s.yaml", {**raw, "split": {"by": "random", "test": 0.2, "validation": 0.2}})
    options = ["--epochs=25", "--lr=0.02", "--width=16", "--workers=0", "--batch-size=36"]
    out = main(["fit", "t.csv", "--schema", "s.yaml", *options])
    figures = json.loads((out / "metrics.json").read_text())
    test, plain = figures["test"], figures["without_any_input"]
    assert {name: set(values) for name, values in test.items()} == {
        "price": {"mae", "pinball", "r2"},
        "skewed": {"mae", "r2", "rmse"},
        "visits": {"mae", "r2", "rmse"},
        "grade": {"accuracy", "kappa", "rank_mae"},
        "life": {"concordance"},
    }
    assert test["price"]["r2"] > 0.6
    assert test["price"]["pinball"] < plain["price"]["pinball"] / 2
    assert test["skewed"]["rmse"] < plain["skewed"]["rmse"]
    assert test["visits"]["mae"] < plain["visits"]["mae"]
    assert test["grade"]["kappa"] > 0.6 > 0.1 > plain["grade"]["kappa"]
    assert test["life"]["concordance"] > 0.7
    assert plain["life"]["concordance"] == 0.5
    answers = predict_rows(out, FRAME.select("x"))
    first = answers[0]
    assert first["price"]["q0.1"][0] <= first["price"]["value"][0] <= first["price"]["q0.9"][0]
    assert abs(first["price"]["value"][0] - 1.7e9) < 1e6
    assert sum(first["grade"]["probabilities"].values()) == pytest.approx(1)
    with (out / "predictions.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert float(row["price"]) == FRAME["price"][int(row["row"]) - 2]  # as in the table, not in float32


def test_a_completed_schema_holds_what_was_fitted_to_the_training_rows() -> None:
    schema, rows = load(TARGETS)
    train = rows.subsets["train"]
    skewed = schema.to_dict()["targets"]["skewed"]["fitted"][0]
    logs = np.log(FRAME["skewed"].to_numpy()[train])
    assert (skewed["mean"], skewed["scale"]) == pytest.approx((logs.mean(), logs.std()))
    scale = schema.to_dict()["targets"]["visits"]["fitted"][0]["scale"]
    assert scale == pytest.approx(FRAME["visits"].to_numpy()[train].mean())
    assert Schema.of(schema.to_dict()) == schema
    assert not TargetScales.fit(schema, rows).scales  # each task knows its units


def test_standardised_labels_keep_their_digits() -> None:
    schema, rows = load({"price": {"kind": "number", "columns": ["price"]}})
    scales = TargetScales.fit(schema, rows)
    y = FRAME["price"].to_numpy()
    train = y[rows.subsets["train"]]
    scaled = torch.stack([scales.sample({"price": [value]})["price"] for value in y.tolist()])
    np.testing.assert_allclose(scaled[:, 0], (y - train.mean()) / train.std(), rtol=1e-5, atol=1e-6)


def test_the_epoch_is_chosen_by_the_mean_over_targets_or_by_the_one_that_is_named() -> None:
    schema, rows = load(TARGETS)
    assert monitor_of(schema, rows) == "val/mean"
    assert monitor_of(*load(TARGETS, monitor="skewed")) == "val/skewed/rmse"
    assert monitor_of(*load({"visits": TARGETS["visits"]})) == "val/visits/mae"
    note = no_better_note(schema, rows, "val/mean", -0.5)
    assert note is not None
    plain = float(re.findall(r"val/mean is -0.5, and (-?[\d.e-]+) without", note)[0])
    assert -0.1 < plain <= 0.1  # a concordance of .5, a kappa of 0 and three of R² just below 0
    assert no_better_note(schema, rows, "val/mean", 0.9) is None
    with pytest.raises(ValueError, match=r"unknown target in `monitor` 'skwed'. Did you mean 'skewed'"):
        load(TARGETS, monitor="skwed")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "loss": (
        {"kind": "number", "columns": ["price"], "loss": "hubber"},
        "unknown loss 'hubber'",
    ),
    "transform": (
        {"kind": "number", "columns": ["x"], "transform": "log"},
        r"row \d+, column 'x' should be 0 or more. Found -.*`transform: log` needs numbers of 0 or more",
    ),
    "negative count": (
        {"kind": "number", "columns": ["x"], "loss": "poisson"},
        r"row \d+, column 'x' should be 0 or more. Found -",
    ),
    "two logarithms": (
        {"kind": "number", "columns": ["visits"], "loss": "poisson", "transform": "log"},
        "takes the logarithm itself",
    ),
    "quantiles alone": (
        {"kind": "number", "columns": ["price"], "quantiles": [0.1]},
        "belong to `loss: quantile`",
    ),
    "pinball": (
        {"kind": "number", "columns": ["price"], "metric": "pinball"},
        "`metric: pinball` needs `loss: quantile`",
    ),
    "order": (
        {"kind": "ordinal", "column": "grade"},
        "should list the classes of 'grade' from",
    ),
    "event": (
        {"kind": "survival", "time": "days", "event": "grade"},
        r"column 'grade' should be 1 or 0, yes or no. Found",
    ),
    "time": ({"kind": "survival", "time": "x", "event": "died"}, r"column 'x' should be a time of 0 or more"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_a_target_that_cannot_be_is_refused_by_place(fault: str) -> None:
    target, message = REFUSED[fault]
    frame = FRAME.with_columns(x2=pl.col("x"))
    raw = {"inputs": {"t": {"kind": "table", "numbers": ["x2"]}}, "targets": {"y": target}}
    with pytest.raises(ValueError, match=message):
        split_rows(read_rows(frame), Schema.of(raw))


def test_numbers_order_themselves_and_times_of_zero_come_first() -> None:
    frame = pl.DataFrame({"x": X[:20], "n": [2.0, 10.0, 1.0, 1.5] * 5, "t": [0, 3] * 10, "e": [1, 0] * 10})
    schema, rows = load(
        {"n": {"kind": "ordinal", "column": "n"}, "s": {"kind": "survival", "time": "t", "event": "e"}}, frame
    )
    assert schema.to_dict()["targets"]["n"]["classes"] == ["1", "1.5", "2", "10"]
    times = schema.targets["s"].read(rows)
    assert 0 < times[0] < 1e-6
    assert times[1] == -3
