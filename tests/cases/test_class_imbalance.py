"""A rare class: its weight, the metric that sees it, and a note where nothing was learned."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
import torch

from sennit.recipes.table import Rows, Schema, read_rows, split_rows
from sennit.recipes.table.config import Config
from sennit.recipes.table.report.baselines import no_better_note
from sennit.recipes.table.training.train import monitor_of, train

SIZE = 400
DATA = torch.Generator().manual_seed(0)
RARE = [i % 20 == 0 for i in range(SIZE)]
X = (torch.randn(SIZE, generator=DATA) + 4.0 * torch.tensor(RARE)).tolist()


def load(**target: Any) -> tuple[Schema, Rows]:
    frame = pl.DataFrame({"x": X, "label": ["fraud" if rare else "ok" for rare in RARE]})
    raw = {
        "inputs": {"t": {"kind": "table", "numbers": ["x"], "encoder": {"name": "mlp", "width": 8}}},
        "targets": {"label": {"kind": "class", "column": "label", **target}},
        "split": {"by": "random", "validation": 0.3, "test": 0},
    }
    return split_rows(read_rows(frame), Schema.of(raw))


def test_balanced_weights_give_classes_the_same_part_of_the_loss() -> None:
    schema, rows = load(weights="balanced")
    labels = [schema.targets["label"].read(rows)[i] for i in rows.subsets["train"]]
    weights = schema.targets["label"].make_task().class_weights
    rare, common = labels.count(0), labels.count(1)
    assert weights.tolist() == pytest.approx([(rare + common) / (2 * rare), (rare + common) / (2 * common)])
    assert weights[labels].mean().item() == pytest.approx(1)
    assert Schema.of(schema.to_dict()) == schema


def test_weights_of_some_classes_are_taken_as_they_are() -> None:
    schema, _ = load(weights={"fraud": 19})
    assert schema.targets["label"].make_task().class_weights.tolist() == [19, 1]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"weights": "equal"}, r"targets.label: unknown value of `weights` 'equal'"),
        ({"weights": {"fraud": 0}}, r"targets.label: `weights` should be above 0"),
        (
            {"weights": {"frud": 2}},
            r"unknown class with a weight 'frud'. Did you mean 'fraud'",
        ),
        ({"metric": "f1"}, r"targets.label: unknown metric 'f1'. Known: accuracy, auroc, average_precision"),
    ],
)
def test_wrong_weights_and_metrics_are_refused(target: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(**target)


@pytest.mark.parametrize(("metric", "chance"), [("f1_macro", 0.49), ("auroc", 0.5)])
def test_the_epoch_is_chosen_by_a_metric_that_sees_the_rare_class(
    tmp_path: Any, metric: str, chance: float
) -> None:
    schema, rows = load(weights="balanced", metric=metric)
    assert monitor_of(schema, rows) == f"val/label/{metric}"
    config = Config(data="x", epochs=2, width=8, workers=0, lr=0.01)
    _, fitted = train(config, schema, rows, tmp_path, say=lambda text: None)
    assert fitted.best is not None
    assert fitted.best > chance + 0.2
    assert no_better_note(schema, rows, f"val/label/{metric}", fitted.best) is None


@pytest.mark.parametrize(("metric", "chance"), [("accuracy", 0.95), ("f1_macro", 0.487179), ("auroc", 0.5)])
def test_an_answer_that_ignores_the_inputs_is_noted(metric: str, chance: float) -> None:
    schema, rows = load(metric=metric)
    note = no_better_note(schema, rows, f"val/label/{metric}", chance)
    assert note is not None
    assert f"no better than no input: val/label/{metric} is {chance:.4g}, and {chance:.4g}" in note
    assert "Try `weights: balanced` and `metric: f1_macro`" in note
    assert no_better_note(schema, rows, f"val/label/{metric}", chance + 0.01) is None
