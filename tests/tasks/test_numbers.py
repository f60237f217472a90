"""Losses, transforms and metrics of numbers, against loops and scikit-learn."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    log_loss,
    mean_pinball_loss,
    mean_poisson_deviance,
    root_mean_squared_error,
)
from torch import Tensor

from sennit.tasks import Classification, MultiLabel, PoissonRegression, QuantileRegression, Regression
from sennit.tasks._base import TASKS
from sennit.tasks.labelled.number_transform import NumberTransform

RNG = np.random.default_rng(0)
EVERY = torch.ones(30, dtype=torch.bool)


def compute(
    task: Regression | QuantileRegression | Classification | MultiLabel,
    output: torch.Tensor,
    target: torch.Tensor,
) -> dict[str, float]:
    metrics = task.metrics()
    for rows in (slice(0, 11), slice(11, 30)):
        task.update_metrics(metrics, output[rows], target[rows], EVERY[rows])
    return {name: float(value) for name, value in metrics.compute().items()}


def test_losses_of_numbers_are_those_of_their_formulas() -> None:
    output, target = torch.randn(30, 2), 3 * torch.randn(30, 2)
    error = (output - target).double()
    for objective, expected in (
        ("squared", error**2),
        ("absolute", error.abs()),
        ("huber", torch.where(error.abs() <= 1.5, error**2, 1.5 * (2 * error.abs() - 1.5))),
    ):
        task = Regression(2, objective=objective, delta=1.5)
        torch.testing.assert_close(task.loss(output, target).double(), expected, rtol=1e-5, atol=1e-6)
        assert task.gaussian == (objective == "squared")


def test_quantiles_are_scored_by_the_pinball_loss_and_never_cross() -> None:
    levels = [0.1, 0.5, 0.75]
    task = QuantileRegression(2, quantiles=levels, metrics=["pinball", "rmse"])
    output, target = torch.randn(30, 6), torch.randn(30, 2)
    by_number = output.reshape(30, 2, 3)

    def mean_pinball(quantiles: Tensor) -> float:
        pairs = [(j, k, level) for j in range(2) for k, level in enumerate(levels)]
        return np.mean(
            [mean_pinball_loss(target[:, j], quantiles[:, j, k], alpha=level) for j, k, level in pairs]
        )

    assert float(task.loss(output, target).mean()) == pytest.approx(mean_pinball(by_number), rel=1e-5)
    ordered = by_number.sort(-1).values
    values = compute(task, output, target)
    assert values["pinball"] == pytest.approx(mean_pinball(ordered), rel=1e-5)
    expected = np.mean([root_mean_squared_error(target[:, j], ordered[:, j, 1]) for j in range(2)])
    assert values["rmse"] == pytest.approx(expected, rel=1e-5)
    answer = task.predict(output)[0]
    assert answer["value"] == answer["q0.5"]
    assert all(a <= b <= c for a, b, c in zip(*(answer[f"q{a:g}"] for a in levels), strict=True))
    with pytest.raises(ValueError, match=r"`quantiles` should increase between 0 and 1"):
        QuantileRegression(quantiles=[0.9, 0.1])


def test_a_count_is_scored_by_half_its_deviance() -> None:
    target = torch.from_numpy(RNG.poisson(3.0, (30, 1))).float()
    task = PoissonRegression(scales=[2.5])
    output = torch.randn(30, 1)
    expected = mean_poisson_deviance(target, task.scores(output)) / 2 / 2.5
    assert float(task.loss(output, target).mean()) == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(task.scores(task.output_for(target[target > 0])), target[target > 0])


@pytest.mark.parametrize("name", ["standard", "log", "quantile"])
@given(labels=st.lists(st.integers(0, 10**6), min_size=3, max_size=400, unique=True))
def test_transforms_are_inverted_in_units_of_the_target(name: str, labels: list[int]) -> None:
    transform = NumberTransform.fit(name, [float(y) for y in labels])
    again = NumberTransform.of(json.loads(json.dumps(transform.config)))
    y = torch.tensor(sorted(labels), dtype=torch.float64)
    z = again(y)
    assert bool((z[1:] > z[:-1]).all())
    torch.testing.assert_close(again.inverse(z), y, rtol=1e-6, atol=1e-6)


def test_a_transform_is_that_of_its_formula() -> None:
    y = [1.0, 2.0, 2.0, 8.0]
    log = NumberTransform.fit("log", y)(torch.tensor(y))
    expected = (np.log(y) - np.log(y).mean()) / np.log(y).std()
    assert log.tolist() == pytest.approx(expected.tolist())
    scores = NumberTransform.fit("quantile", y)
    assert scores(torch.tensor([1.0, 2.0, 8.0, 99.0])).tolist() == pytest.approx(
        [-1.15035, 0, 1.15035, 1.15035], abs=1e-4
    )
    assert NumberTransform.fit("log", [0.0, 4.0]).shift == 2.0
    assert NumberTransform.fit("standard", [3.0, 3.0]).config == {"name": "standard", "mean": 3.0}
    with pytest.raises(ValueError, match=r"`transform: log` needs labels of 0 or more. Found -1"):
        NumberTransform.fit("log", [-1.0])


@pytest.mark.parametrize("kind", [Regression, QuantileRegression])
def test_answers_and_metrics_are_in_units_of_the_target(
    kind: type[Regression] | type[QuantileRegression],
) -> None:
    y = np.exp(RNG.normal(10, 1, 30))
    transform = NumberTransform.fit("log", y.tolist())
    options = {"quantiles": [0.5]} if kind is QuantileRegression else {}
    task = kind(1, transforms=[transform.config], metrics=["mae"], **options)
    target = torch.from_numpy(y)[:, None]
    output = transform(target).float() + 0.1
    expected = np.exp(np.log(y) + 0.1 * transform.scale)
    np.testing.assert_allclose([a["value"][0] for a in task.predict(output)], expected, rtol=1e-5)
    assert compute(task, output, target)["mae"] == pytest.approx(np.abs(expected - y).mean(), rel=1e-4)
    again = TASKS.build(json.loads(json.dumps(task.config)))
    torch.testing.assert_close(again.loss(output, target), task.loss(output, target))


def test_metrics_of_classes_and_labels_are_those_of_scikit_learn() -> None:
    output, target = torch.randn(30, 2), (torch.arange(30) % 3 > 0).long()
    p = output.double().softmax(1).numpy()
    task = Classification(2, metrics=["balanced_accuracy", "average_precision", "log_loss"])
    values = compute(task, output, target)
    assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(target, p.argmax(1)))
    assert values["average_precision"] == pytest.approx(average_precision_score(target, p[:, 1]))
    assert values["log_loss"] == pytest.approx(log_loss(target, p), rel=1e-6)
    flags = torch.stack([target, 1 - target], 1).float()
    labels = MultiLabel(2, metrics=["average_precision", "log_loss", "f1_macro"])
    values = compute(labels, output, flags)
    q = output.double().sigmoid().numpy()
    assert values["average_precision"] == pytest.approx(average_precision_score(flags, q))
    loss = np.mean([log_loss(flags[:, j], q[:, j]) for j in range(2)])
    assert values["log_loss"] == pytest.approx(loss, rel=1e-6)
    assert not math.isnan(values["f1_macro"])
    with pytest.raises(ValueError, match=r"unknown metric 'auc'. Did you mean"):
        Classification(2, metrics=["auc"])
