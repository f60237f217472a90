"""A class of a few rows is trained on, or the run says that it is not."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from sennit.recipes.table import Schema, read_rows, split_rows


def split(labels: list[str], by: dict[str, Any], **target: Any) -> tuple[dict[str, list[str]], list[str]]:
    frame = pl.DataFrame({"x": range(len(labels)), "label": labels, "part": ["train"] * 40 + ["test"] * 20})
    raw = {
        "inputs": {"t": {"kind": "table", "numbers": ["x"]}},
        "targets": {"y": {"kind": "class", "column": "label", **target}},
        "split": by,
    }
    _, rows = split_rows(read_rows(frame), Schema.of(raw))
    return {name: sorted(labels[i] for i in indices) for name, indices in rows.subsets.items()}, list(
        rows.notes
    )


@pytest.mark.parametrize("classes", [None, ["a", "b", "rare"]])
def test_a_random_split_keeps_the_shares_of_the_classes(classes: list[str] | None) -> None:
    labels = ["rare" if i in (17, 40) else "aaab"[i % 4] for i in range(60)]
    drawn = set()
    for seed in range(30):
        subsets, notes = split(labels, {"by": "random", "seed": seed}, classes=classes)
        assert [len(subsets[name]) for name in ("train", "validation", "test")] == [48, 6, 6]
        assert subsets["train"].count("rare") == 2
        assert {subsets[name].count("b") for name in ("validation", "test")} <= {1, 2}
        assert notes == []
        drawn.add(str(subsets))
    assert len(drawn) >= 1


def test_a_class_without_a_training_row_is_said() -> None:
    labels = ["ab"[i % 2] for i in range(59)] + ["rare"]
    _, notes = split(labels, {"by": "column", "column": "part"}, classes=["a", "b", "rare"])
    assert notes == ["y: no training row has the class rare, so it is never predicted."]
