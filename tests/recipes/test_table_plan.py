"""Which nets are trained, and a small table with all kinds of members."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sennit.recipes.table.config import config_of
from sennit.recipes.table.data.load import split_rows
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.ensemble import TableEnsemble, load_model
from sennit.recipes.table.training.plan import planned_nets
from sennit.recipes.table.training.train import make_loader, train
from sennit.tasks import evaluate

ROWS = 120
SCHEMA = {
    "inputs": {
        "caption": {
            "kind": "text",
            "column": "caption",
            "encoder": {"name": "hashed_ngrams", "buckets": 256},
        },
        "cells": {"kind": "table", "numbers": ["size", "noise"]},
    },
    "targets": {"kind": {"kind": "class", "column": "kind"}, "legs": {"kind": "number", "columns": ["legs"]}},
    "split": {"by": "random", "validation": 0.2, "test": 0.3},
}


def _table(**given: Any) -> tuple[Schema, Rows]:
    """Captions that tell the kind, and cells that tell the number; some of both are blank."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, ROWS)
    words = np.array([["frog", "toad", "newt"], ["cup", "pot", "jug"]])[kinds, rng.integers(0, 3, ROWS)]
    size = rng.normal(size=ROWS)
    blank = rng.random(ROWS)
    frame = pl.DataFrame(
        {
            "caption": [None if b < 0.2 else f"a {word}" for b, word in zip(blank, words, strict=True)],
            "size": [None if b > 0.8 else x for b, x in zip(blank, size, strict=True)],
            "noise": [None if b > 0.8 else x for b, x in zip(blank, rng.normal(size=ROWS), strict=True)],
            "kind": [["animal", "thing"][k] for k in kinds],
            "legs": 3 * size + 10,
        }
    )
    return split_rows(read_rows(frame), Schema.of({**SCHEMA, **given}))


@pytest.fixture(scope="module")
def table() -> tuple[Schema, Rows]:
    return _table()


def test_nets_are_planned_for_all_then_for_each_target_and_each_input(table: tuple[Schema, Rows]) -> None:
    schema, rows = table
    plan = planned_nets(config_of("medium", seed=5), schema, rows)
    assert [net.described for net in plan] == [
        "for kind, legs",
        "for kind",
        "for legs",
        "for kind, legs, on caption alone",
        "for kind, legs, on cells alone",
    ]
    assert [net.seed for net in plan] == [5, 6, 7, 8, 9]
    assert [net.cost for net in plan] == [2, 2, 2, 1, 1]
    captions = plan[3].rows
    assert isinstance(captions, Rows)
    blank = rows.blank("caption")
    assert captions.subsets["test"] == [i for i in rows.subsets["test"] if not blank[i]]
    assert len(planned_nets(config_of("medium", nets=2), schema, rows)) == 10
    few = planned_nets(config_of("medium", separate=False, alone=False), schema, rows)
    assert [net.schema for net in few] == [schema]
    monitored = planned_nets(config_of("medium"), _table(monitor="legs")[0], rows)
    assert [net.schema.monitor for net in monitored] == ["legs", None, "legs", "legs", "legs"]


def test_all_members_of_a_small_table_answer_together_and_again_from_the_disk(
    table: tuple[Schema, Rows], tmp_path: Path
) -> None:
    schema, rows = table
    config = config_of("medium", data="t.csv", epochs=4, width=8, workers=0, separate=False)
    said: list[str] = []
    model, _ = train(config, schema, rows, tmp_path / "training", say=said.append)
    assert isinstance(model, TableEnsemble)
    assert model.member_names("kind") == ["net 1", "caption alone", "cells alone", "trees", "kernel"]
    assert any(line.startswith("Weights chosen on the validation rows: kind: ") for line in said)
    for weight in model.member_weights.values():
        assert weight.sum() == pytest.approx(1)
    test = list(make_loader(config, schema, rows, "test", model))
    metrics = evaluate(model, test).metrics
    # A fifth of the rows has no caption, which alone tells the kind; the nets alone learn little in 4 epochs.
    assert metrics["kind"]["accuracy"] > 0.75
    assert metrics["legs"]["r2"] > 0.6
    model.save_pretrained(tmp_path / "model")
    again = load_model(tmp_path / "model")
    with torch.no_grad():
        for batch in test:
            for name, out in model(batch).items():
                assert torch.equal(out.logits, again(batch)[name].logits)
    assert again.predict({"caption": "a frog"})["kind"]["label"] == "animal"
