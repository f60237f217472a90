"""Figures that are right far from zero, of partly known and of soft labels, and the same at each door."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.tasks import Classification, MultiLabel, Regression, Task, evaluate

from .small import make_model

KNOWN = torch.ones(200, 2, dtype=torch.bool)


def metrics_of(task: Task, output: Tensor, target: Tensor, labelled: Tensor) -> dict[str, float]:
    """The task's metrics over two batches."""
    metrics = task.metrics()
    half = len(output) // 2
    for rows in (slice(0, half), slice(half, None)):
        task.update_metrics(metrics, output[rows], target[rows], labelled[rows])
    return {name: float(value) for name, value in metrics.compute().items()}


@pytest.mark.parametrize(("offset", "spread"), [(0, 1), (1e5, 50), (5.6e6, 100), (1e9, 1e4), (1.7e9, 1e5)])
def test_metric_and_score_are_scikit_learns_far_from_zero(offset: float, spread: float) -> None:
    from sklearn.metrics import mean_absolute_error, r2_score

    generator = torch.Generator().manual_seed(0)
    target = (offset + spread * torch.randn(200, 2, dtype=torch.float64, generator=generator)).float()
    output = (target.double() + 0.3 * spread * torch.randn(200, 2, generator=generator)).float()
    task = Regression(2)
    expected = r2_score(target.double(), output.double())
    found = metrics_of(task, output, target, KNOWN)
    assert found["r2"] == pytest.approx(expected, abs=1e-6)
    assert found["mae"] == pytest.approx(mean_absolute_error(target.double(), output.double()), rel=1e-6)
    assert task.score(output, target, KNOWN) == pytest.approx(expected, abs=1e-6)


def test_a_model_of_a_far_target_is_scored_as_it_answers() -> None:
    model = make_model(r=Regression())
    with torch.no_grad():
        model.heads["r"][0].bias.fill_(1e9)
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    y = 1e9 + 1e4 * x[:, :1]
    evaluation = evaluate(model, Batch.of({"a": x}, targets={"r": y}))
    answers = evaluation.answers["r"].scores.double()
    error, spread = (y.double() - answers).square().sum(), (y.double() - y.double().mean()).square().sum()
    assert evaluation.metrics["r"]["r2"] == pytest.approx(float(1 - error / spread), abs=1e-6)


def test_two_numbers_that_are_never_known_together_are_scored() -> None:
    output, target = torch.randn(200, 2), torch.randn(200, 2)
    labelled = torch.zeros(200, 2, dtype=torch.bool)
    labelled[::2, 0] = labelled[1::2, 1] = True
    task = Regression(2)
    error = [(output - target)[labelled[:, j], j].abs().mean() for j in range(2)]
    found = metrics_of(task, output, torch.where(labelled, target, 1e6), labelled)
    assert found["mae"] == pytest.approx(float(sum(error)) / 2, rel=1e-5)
    assert found["r2"] == pytest.approx(task.score(output, target, labelled), abs=1e-6)


def test_rows_that_all_have_a_blank_have_metrics() -> None:
    logits, target = torch.randn(200, 2), (torch.randn(200, 2) > 0).float()
    labelled = torch.zeros(200, 2, dtype=torch.bool)
    labelled[::2, 0] = labelled[1::2, 1] = True
    right = ((logits > 0) == (target > 0))[labelled].float().mean()
    found = metrics_of(MultiLabel(2), logits, target, labelled)
    assert found["accuracy"] == pytest.approx(float(right))


def test_a_target_that_never_varies_has_no_r2_anywhere() -> None:
    output, target = torch.randn(200, 1), torch.full((200, 1), 3.0)
    assert math.isnan(metrics_of(Regression(), output, target, KNOWN[:, :1])["r2"])
    assert math.isnan(Regression().score(output, target, KNOWN[:, :1]))


def test_soft_labels_count_as_true_above_a_half() -> None:
    logits = torch.tensor([[4.0, -4.0], [4.0, -4.0], [-4.0, 4.0], [-4.0, 4.0]])
    target = torch.tensor([[0.9, 0.1], [0.8, 0.3], [0.2, 0.9], [0.4, 0.6]])
    task = MultiLabel(2, metrics=("accuracy", "auroc"))
    found = metrics_of(task, logits, target, KNOWN[:4])
    assert found == {"accuracy": 1.0, "auroc": 1.0}
    assert task.score(logits, target, KNOWN[:4]) == 1.0


def test_probabilities_of_classes_are_scored_by_the_likeliest() -> None:
    model = make_model(c=Classification(3)).eval()
    x = torch.randn(12, 4)
    soft = torch.rand(12, 3).softmax(-1)
    hard = Batch.of({"a": x}, targets={"c": soft.argmax(-1)})
    batch = Batch.of({"a": x}, targets={"c": soft})
    found: Any = evaluate(model, batch)
    assert found.metrics == evaluate(model, hard).metrics
    assert found.losses["c"] == pytest.approx(float(model.loss(batch)[0].detach()), rel=1e-5)
    logits = model(batch)["c"].logits.detach()
    every = torch.ones(12, dtype=torch.bool)
    task = model.tasks["c"]
    assert task.score(logits, soft, every) == task.score(logits, soft.argmax(-1), every)
