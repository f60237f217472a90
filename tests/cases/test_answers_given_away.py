"""The guess makes no input of what tells the target, and no input of folds."""

from __future__ import annotations

import numpy as np
import polars as pl

from sennit.recipes.table import read_rows
from sennit.recipes.table.schema.guess import Guess, guess_schema

RNG = np.random.default_rng(0)
KIND = RNG.integers(0, 3, 120)
SIZE = RNG.normal(size=120)


def guess(learned: str | None = None, **columns: object) -> Guess:
    return guess_schema(read_rows(pl.DataFrame({"noise": RNG.normal(size=120), **columns})), target=learned)


def test_numbers_of_the_classes_and_the_target_in_another_unit_are_left_out() -> None:
    columns = {"classID": KIND, "class": [("horn", "bark", "drill")[k] for k in KIND]}
    assert guess(**columns).raw["inputs"]["table"]["numbers"] == ["noise"]
    other_unit = guess("price", price=SIZE, price_in_cents=100 * SIZE + 7, size=SIZE + RNG.normal(size=120))
    assert other_unit.raw["inputs"]["table"]["numbers"] == ["noise", "size"]
    assert other_unit.reasons["price_in_cents"] == (
        "left out: gives the answer away, as its numbers follow those of 'price' (correlation 1.0000)"
    )


def test_a_column_that_only_correlates_stays() -> None:
    nearly = KIND.copy()
    nearly[0] = (nearly[0] + 1) % 3
    assert guess(nearly=nearly, label=KIND).raw["inputs"]["table"]["numbers"] == ["noise", "nearly"]


def test_folds_are_held_out_whole_and_constants_are_left_out() -> None:
    made = guess(
        label=KIND,
        fold=np.arange(120) % 10 + 1,
        salience=np.ones(120),
    )
    assert made.raw["inputs"] == {"table": {"kind": "table", "numbers": ["noise"]}}
    assert made.raw["split"] == {"by": "folds", "column": "fold", "fold": 9}
    assert made.reasons["salience"] == "left out: always '1.0'"


def test_many_whole_numbers_called_target_are_classes_beside_their_names() -> None:
    number = np.arange(120) % 50
    made = guess(target=number)
    assert made.raw["targets"]["target"]["classes"] == [str(i) for i in range(50)]
    both = guess(target=number, category=[f"sound {i}" for i in number])
    assert list(both.raw["targets"]) == ["category"]
    assert "target" not in both.raw["inputs"]["table"]["numbers"]


def test_codes_with_leading_zeros_are_no_numbers() -> None:
    made = guess(label=KIND, postcode=[f"0{k}123" for k in RNG.integers(0, 9, 120)])
    assert made.raw["inputs"]["table"]["numbers"] == ["noise"]
    assert "postcode" in made.raw["inputs"]["table"]["categories"]
