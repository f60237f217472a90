"""Values that choose the weights: at the right end, over tasks, losses and several validation sets."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.data import Batch
from sennit.tasks import Classification, DenseRegression, Learner, Regression, SurfaceNormals, evaluate
from sennit.tasks.metrics import Evaluator
from sennit.tasks.metrics.direction import leading_metric

from .small import load, make_batch, make_model, train


def column(folder: Path, name: str) -> list[float]:
    with (folder / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


@pytest.mark.parametrize(
    ("monitor", "best"),
    [("val/r/mae", min), ("val/r/r2", max), ("val/loss", min), ("val/r/loss", min), ("val/mean", max)],
)
def test_the_best_is_at_the_end_that_the_value_says(tmp_path: Path, monitor: str, best: Any) -> None:
    learner = Learner(make_model(), lr=0.3)
    fitted = train(learner, make_batch(32), tmp_path, monitor=monitor, epochs=5)
    values = column(tmp_path, monitor)
    assert len(values) == 5
    assert fitted.best == pytest.approx(best(values), rel=1e-5)
    evaluation = evaluate(learner.model.eval(), make_batch(16, 1))
    if monitor == "val/r/mae":
        assert evaluation.metrics["r"]["mae"] == pytest.approx(fitted.best, rel=1e-5)


def test_patience_counts_from_the_best_end(tmp_path: Path) -> None:
    """An error that falls in every epoch is no reason to stop."""
    fitted = train(
        Learner(make_model(), lr=0.02), make_batch(32), tmp_path, monitor="val/loss", epochs=4, patience=1
    )
    values = column(tmp_path, "val/loss")
    assert values == sorted(values, reverse=True)
    assert fitted.epochs == 4


@pytest.mark.parametrize(
    ("monitor", "mode"), [("val/r/mae", "max"), ("val/c/accuracy", "min"), ("val/loss", "max")]
)
def test_the_wrong_end_is_refused(monitor: str, mode: str) -> None:
    with pytest.raises(ValueError, match=rf"`mode` of '{monitor}' should be .* Found '{mode}'. Leave it out"):
        train(Learner(make_model()), make_batch(16), monitor=monitor, mode=mode)


def test_a_metric_without_a_direction_needs_a_mode(tmp_path: Path) -> None:
    from torchmetrics import MeanMetric, MetricCollection

    class Plain(Regression):
        def metrics(self) -> MetricCollection:
            return MetricCollection({"mean": MeanMetric()})

        def update_metrics(self, metrics: Any, logits: Any, target: Any, labelled: Any) -> None:
            metrics.update(logits)

    batch = make_batch(16)
    batch = Batch.of(batch.inputs, targets={"r": batch.targets["r"]})
    options = {"monitor": "val/r/mean", "validation": load(batch, shuffle=False)}
    with pytest.raises(ValueError, match="`mode` should say at which end 'val/r/mean' is best"):
        train(Learner(make_model(r=Plain())), batch, tmp_path, **options)
    assert train(Learner(make_model(r=Plain())), batch, tmp_path, mode="min", **options).best is not None


def test_losses_are_means_over_all_labels_and_the_mean_is_over_tasks() -> None:
    few = torch.arange(24) < 5
    batch, model = make_batch(24, r=few), make_model().eval()
    evaluation = evaluate(model, [batch.select(torch.arange(k, k + 8)) for k in (0, 8, 16)])
    with torch.no_grad():
        out, loss = model(batch), model.loss(batch)[0]
    r = (out["r"].logits - batch.targets["r"])[few].square().mean()
    c = torch.nn.functional.cross_entropy(out["c"].logits, batch.targets["c"])
    assert evaluation.losses == pytest.approx({"c": float(c), "r": float(r)}, rel=1e-5)
    assert sum(evaluation.losses.values()) == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize(
    ("task", "metric"), [(DenseRegression(), "delta1"), (SurfaceNormals(), "within_11"), (Regression(), "r2")]
)
def test_an_error_never_stands_for_a_task_in_a_mean(task: Any, metric: str) -> None:
    assert leading_metric(task.metrics()) == metric


def test_several_validation_sets_have_their_values_and_are_refused_in_our_words(tmp_path: Path) -> None:
    sets = {name: load(make_batch(16, seed), shuffle=False) for seed, name in enumerate(("seen", "new"), 1)}
    fitted = train(
        Learner(make_model()), make_batch(16), tmp_path, validation=sets, monitor="val/new/loss", epochs=2
    )
    assert fitted.best == pytest.approx(min(column(tmp_path, "val/new/loss")), rel=1e-5)
    for name in ("val/seen/mean", "val/new/r/loss", "val/seen/c/accuracy"):
        assert len(column(tmp_path, name)) == 2
    with pytest.raises(ValueError, match=r"'val/c/accuracy'\. Did you mean .*'val/seen/c/accuracy'"):
        train(Learner(make_model()), make_batch(16), validation=sets, monitor="val/c/accuracy")
    with pytest.raises(TypeError, match=r"or several by name\. Found a list"):
        train(Learner(make_model()), make_batch(16), validation=[*sets.values()])


def test_one_label_in_the_validation_set_is_said_and_left_out_of_the_mean(tmp_path: Path) -> None:
    """Of two batches, of which the first, as Lightning's own check of the validation reads it, has none."""
    one = make_batch(16, 1, r=torch.arange(16) == 12)
    with pytest.warns(UserWarning, match="Found none for val/r/r2: an R² needs two labels that differ"):
        train(
            Learner(make_model()), make_batch(16), tmp_path, monitor="val/mean", epochs=2,
            validation=load(one, shuffle=False),
        )  # fmt: skip
    assert column(tmp_path, "val/mean") == column(tmp_path, "val/c/accuracy")
    assert all(math.isfinite(x) for x in column(tmp_path, "val/r/mae"))
    assert all(math.isnan(x) for x in column(tmp_path, "val/r/r2"))


def test_the_first_metric_that_is_named_stands_for_its_task_in_the_mean() -> None:
    names = {"r": ["rmse", "r2"], "s": ["mae"]}
    tasks = {name: Regression(metrics=metrics) for name, metrics in names.items()}
    assert [leading_metric(t.metrics(), t.metric_names) for t in tasks.values()] == ["r2", None]
    of_classes = Classification(3, metrics=["log_loss", "f1_macro", "accuracy"])
    assert leading_metric(of_classes.metrics(), of_classes.metric_names) == "f1_macro"
    model, batch = make_model(), make_batch(16)
    evaluator = Evaluator(model)
    evaluator.update(batch)
    model.tasks["r"].metric_names = ("r2",)
    assert evaluator.leading["r"] == "r2"
