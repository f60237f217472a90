"""Splits by folds, by time, and with copies kept together."""

from __future__ import annotations

from collections import Counter
from datetime import date

import polars as pl
import pytest

from sennit.recipes.table.reading.read import read_rows
from sennit.recipes.table.schema.split_base import joined
from sennit.recipes.table.schema.splits import (
    SUBSETS,
    ColumnSplit,
    FoldSplit,
    GroupSplit,
    RandomSplit,
    TimeSplit,
)

KINDS = [("a", "a", "a", "b")[i % 4] for i in range(100)]


def test_each_row_is_tested_by_one_fold_and_folds_have_the_same_classes() -> None:
    rows = read_rows(pl.DataFrame({"y": KINDS}))
    splits = [FoldSplit(folds=5, fold=k).assign(rows, KINDS) for k in range(5)]
    assert sorted(i for split in splits for i in split["test"]) == list(range(100))
    for k, split in enumerate(splits):
        assert Counter(KINDS[i] for i in split["test"]) == {"a": 15, "b": 5}
        assert split["validation"] == splits[(k + 1) % 5]["test"]
        assert len(split["train"]) == 60


def test_folds_keep_groups_and_copies_whole() -> None:
    groups = [f"g{i // 7}" for i in range(100)]
    rows = read_rows(pl.DataFrame({"g": groups}))
    split = FoldSplit(folds=3, group="g").assign(rows)
    assert sum(len({groups[i] for i in split[subset]}) for subset in SUBSETS) == 15
    assert max(map(len, split.values())) - min(map(len, split.values())) <= 7
    copies = [i // 2 for i in range(100)]
    drawn = FoldSplit(folds=4).assign(rows, KINDS, copies)
    assert sum(len({copies[i] for i in indices}) for indices in drawn.values()) == 50


def test_folds_of_a_column_are_in_the_order_of_their_numbers() -> None:
    rows = read_rows(pl.DataFrame({"fold": [10, 9, 8, 10, 8, 9]}))
    assert FoldSplit(column="fold", fold=2).assign(rows) == {
        "train": [1, 5],
        "validation": [2, 4],
        "test": [0, 3],
    }
    with pytest.raises(
        ValueError, match=r"and `fold` one of them, counted from 0. Found 3 folds, and fold 3"
    ):
        FoldSplit(column="fold", fold=3).assign(rows)
    with pytest.raises(ValueError, match=r"`folds` should be 3 or more"):
        FoldSplit(folds=2)


@pytest.mark.parametrize("times", [list(range(20)), [date(2024, 1, 1 + i) for i in range(20)]])
def test_the_last_rows_test_and_rows_of_one_time_stay_together(times: list[object]) -> None:
    times = [*reversed(times)]
    rows = read_rows(pl.DataFrame({"t": times}))
    split = TimeSplit(column="t", validation=0.2, test=0.1).assign(rows)
    assert split == {"train": list(range(6, 20)), "validation": [2, 3, 4, 5], "test": [0, 1]}
    ties = TimeSplit(column="t", validation=0.2, test=0.2).assign(
        read_rows(pl.DataFrame({"t": [1] * 6 + [2] * 3 + [3]}))
    )
    assert ties == {"train": list(range(6)), "validation": [6, 7, 8], "test": [9]}


def test_times_that_cannot_be_ordered_are_refused() -> None:
    for cells, problem in (
        (["2024-01-01", None], "row 1, column 't' should hold a time to split by. Found a blank cell"),
        (["2024-01-01", "soon"], "row 1, column 't' should hold a date. Found 'soon'"),
        (["1/2/2024", "3/4/2024"], "Say which comes first with `date_order: day` or `month`"),
        ([1, 1, 1], "needs rows of several times in 't'"),
    ):
        with pytest.raises(ValueError, match=problem):
            TimeSplit(column="t").assign(read_rows(pl.DataFrame({"t": cells})))


def test_copies_are_drawn_together_by_every_split_that_draws() -> None:
    copies = [i // 5 for i in range(100)]
    groups = [f"g{i // 4}" for i in range(100)]
    rows = read_rows(pl.DataFrame({"g": groups, "s": ["train"] * 80 + ["test"] * 20}))
    for split in (RandomSplit(), GroupSplit(column="g"), ColumnSplit(column="s", validation=0.2)):
        parts = split.assign(rows, KINDS if split.by == "random" else (), copies)
        assert sorted(i for part in parts.values() for i in part) == list(range(100))
        assert sum(len({copies[i] for i in part}) for part in parts.values()) == 20
        assert all(parts.values())
    assert joined(["a", "b", "c", "a"], [0, 1, 1, 3]) == [0, 1, 1, 0]
