"""Folds of a table: who learns which rows, and the answers of all members."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from sennit.recipes.table.budget import Budget
from sennit.recipes.table.config import config_of
from sennit.recipes.table.data.load import split_rows
from sennit.recipes.table.fitting import fit_rows
from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.reading.rows import Rows
from sennit.recipes.table.schema.schema import Schema
from sennit.recipes.table.training.ensemble import TableEnsemble
from sennit.recipes.table.training.folds import fold_rows, train_folds
from sennit.recipes.table.training.train import make_loader
from sennit.tasks import evaluate

ROWS, GROUPS = 120, 24
CONFIG = config_of("medium", data="t.csv", epochs=2, width=8, workers=0, folds=3)


def _table(split: dict[str, Any]) -> tuple[Schema, Rows]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    parts = np.array(["train", "validation", "test"])[(np.arange(ROWS) % GROUPS) % 3]
    frame = pl.DataFrame(
        {
            "x": x,
            "noise": rng.normal(size=ROWS),
            "y": ["high" if v > 0 else "low" for v in x],
            "who": [f"g{i % GROUPS}" for i in range(ROWS)],
            "part": parts,
        }
    )
    raw = {
        "inputs": {"cells": {"kind": "table", "numbers": ["x", "noise"]}},
        "targets": {"y": {"kind": "class", "column": "y"}},
        "split": split,
    }
    return split_rows(read_rows(frame), Schema.of(raw))


@pytest.mark.parametrize(
    "split",
    [
        {"by": "random", "validation": 0.2, "test": 0.2},
        {"by": "group", "column": "who", "validation": 0.2, "test": 0.2},
        {"by": "column", "column": "part", "group": "who"},
        {"by": "folds", "folds": 5},
    ],
    ids=lambda split: split["by"],
)
def test_each_row_but_the_test_rows_is_held_once_with_its_whole_group(split: dict[str, Any]) -> None:
    schema, rows = _table(split)
    folds = fold_rows(CONFIG, schema, rows)
    assert len(folds) == 3
    pool = sorted([*rows.subsets["train"], *rows.subsets["validation"]])
    assert sorted(i for fold in folds for i in fold.subsets["validation"]) == pool
    for fold in folds:
        assert sorted([*fold.subsets["train"], *fold.subsets["validation"]]) == pool
        assert fold.subsets["test"] == rows.subsets["test"]
        assert 15 < len(fold.subsets["validation"]) < 60
        if split["by"] in ("group", "column"):
            who = rows.texts("who")
            assert not {who[i] for i in fold.subsets["train"]} & {who[i] for i in fold.subsets["validation"]}


@pytest.mark.parametrize(
    "split",
    [
        {"by": "column", "column": "part"},
        {"by": "time", "column": "x", "validation": 0.2, "test": 0.2},
        {"by": "random", "validation": 0.0, "test": 0.2},
    ],
    ids=["declared", "time", "none"],
)
def test_validation_rows_that_say_how_new_rows_differ_are_kept(split: dict[str, Any]) -> None:
    assert fold_rows(CONFIG, *_table(split)) == []


def test_no_folds_are_made_where_one_is_asked_for() -> None:
    assert fold_rows(replace(CONFIG, folds=1), *_table({"by": "random"})) == []


def test_members_of_all_folds_answer_and_are_judged_by_rows_that_they_did_not_learn(tmp_path: Path) -> None:
    schema, rows = _table({"by": "random", "validation": 0.2, "test": 0.2})
    folds = fold_rows(CONFIG, schema, rows)
    said: list[str] = []
    model, _, held = train_folds(CONFIG, schema, folds, tmp_path / "training", say=said.append)
    assert isinstance(model, TableEnsemble)
    assert [line for line in said if line.startswith("Fold 2")] == [
        f"Fold 2 of 3, held: {len(folds[1].subsets['validation'])} rows."
    ]
    assert model.member_names("y") == ["net 1", "net 2", "net 3", *["trees", "kernel"] * 3]
    assert model.member_weights["y"].sum() == pytest.approx(1)
    # The mean of the folds' own answers.
    batch = next(iter(make_loader(CONFIG, schema, rows, "test", model)))
    with torch.no_grad():
        members, _ = model.member_outputs(batch)["y"]
        weight = model.member_weights["y"].to(members)
        own = [torch.cat([weight[k : k + 1], weight[3 + 2 * k : 5 + 2 * k]]) for k in range(3)]
        assert all(float(part.sum()) == pytest.approx(1 / 3) for part in own)
    pool = [*rows.subsets["train"], *rows.subsets["validation"]]
    assert sorted(held.index.tolist()) == sorted(rows.row_numbers[i] for i in pool)
    counts = [len(fold.subsets["validation"]) for fold in folds]
    start = 0
    for k, (fold, count) in enumerate(zip(folds, counts, strict=True)):
        of_fold = TableEnsemble(
            [model.nets[k]],
            shallow={"y": model.shallow_of("y")[2 * k : 2 * k + 2]},
            weights={"y": 3 * own[k]},
        )
        alone = evaluate(of_fold.eval(), make_loader(CONFIG, schema, fold, "validation", model))
        found = held.answers["y"].logits[start : start + count]
        torch.testing.assert_close(found, alone.answers["y"].logits, atol=1e-5, rtol=1e-5)
        start += count
    whole = held.answers["y"]
    accuracy = (whole.logits.argmax(1) == whole.targets).double().mean()
    assert held.metrics["y"]["accuracy"] == pytest.approx(float(accuracy))
    assert accuracy > 0.85


def test_a_run_with_folds_is_calibrated_on_the_held_rows(tmp_path: Path) -> None:
    schema, rows = _table({"by": "random", "validation": 0.2, "test": 0.2})
    result = fit_rows(CONFIG, schema, rows, tmp_path, Budget(None), say=lambda text: None)
    assert result.validation is not None
    assert len(result.validation.answers["y"].logits) == ROWS - len(rows.subsets["test"])
    assert (
        result.monitored == result.validation.metrics["y"]["accuracy"]
    )  # of the model, not of its first net
    assert result.test is not None
    assert result.test.metrics["y"]["accuracy"] > 0.85
    declared, of_declared = _table({"by": "column", "column": "part"})
    nets = fit_rows(CONFIG, declared, of_declared, tmp_path / "nets", Budget(None), say=lambda text: None)
    assert isinstance(nets.trained.model, TableEnsemble)
    assert nets.trained.model.member_names("y") == ["net 1", "net 2", "net 3", "trees", "kernel"]
