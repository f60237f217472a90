"""The figures of the table's report, against formulas and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    precision_score,
    recall_score,
)

from sennit.recipes.table.report.calibration import calibration_error, reliability
from sennit.recipes.table.report.resampled import resampled
from sennit.recipes.table.report.scoring import metrics_of
from sennit.recipes.table.report.threshold_curve import threshold_curve
from sennit.recipes.table.report.weighted import OF_CLASSES, OF_COLUMNS, OF_RANKS
from sennit.tasks import Classification, MultiLabel, Ordinal, Regression, Task
from sennit.tasks.labelled import CLASS_METRICS, LABEL_METRICS, NUMBER_METRICS, ORDINAL_METRICS
from sennit.tasks.metrics import Answers

N = 120


def answers_of(task: Task, logits: torch.Tensor, targets: torch.Tensor) -> Answers:
    """Return answers of which a fifth has no label."""
    labelled = torch.rand(targets.shape) > 0.2
    return Answers(logits, task.scores(logits), targets, labelled, torch.ones(len(targets), dtype=torch.bool))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("ranked", [False, True])
def test_metrics_of_classes_by_weights_of_one_are_those_of_the_task(classes: int, ranked: bool) -> None:
    torch.manual_seed(0)
    task: Task = Classification(classes, metrics=CLASS_METRICS)
    if ranked:
        task = Ordinal(classes, metrics=ORDINAL_METRICS)
    logits = torch.randn(N, classes - ranked).round(decimals=1)
    answers = answers_of(task, logits, torch.randint(0, classes, (N,)))
    rows = answers.counted.numpy()
    p, y = answers.scores.double().numpy()[rows], answers.targets.double().numpy()[rows]
    figures = OF_RANKS if ranked else OF_CLASSES
    for name, value in metrics_of(task, logits, answers).items():
        assert figures[name](np.ones((1, len(y))), p, y)[0] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize(
    ("task", "targets"),
    [
        (MultiLabel(4, metrics=LABEL_METRICS), (torch.arange(N * 4).reshape(N, 4) % 3 == 0).float()),
        (Regression(2, metrics=NUMBER_METRICS), torch.arange(2.0 * N).reshape(N, 2) ** 0.5 + 1e4),
    ],
)
def test_metrics_of_columns_by_weights_of_one_are_those_of_the_task(
    task: Task, targets: torch.Tensor
) -> None:
    torch.manual_seed(0)
    logits = torch.randn(targets.shape).round(decimals=1) + targets
    answers = answers_of(task, logits, targets)
    y = np.where(answers.counted, targets.double(), np.nan)
    for name, value in metrics_of(task, logits, answers).items():
        figure = OF_COLUMNS[name](np.ones((1, N)), answers.scores.double().numpy(), y)[0]
        assert figure == pytest.approx(value, abs=1e-5), name


def test_a_weight_of_two_is_the_row_twice() -> None:
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, size=(1, N)).astype(float)
    twice, every = np.repeat(np.arange(N), weights[0].astype(int)), np.ones((1, int(weights.sum())))
    p, y = rng.dirichlet([1, 1, 1], N).round(1), rng.integers(0, 3, N).astype(float)
    s, z = rng.normal(size=(N, 2)).round(1), (rng.normal(size=(N, 2)) > 0).astype(float)
    z[::7, 0] = np.nan
    for name, figure in OF_RANKS.items():
        assert figure(weights, p, y) == pytest.approx(figure(every, p[twice], y[twice])), name
    for name, figure in OF_COLUMNS.items():
        assert figure(weights, s, z) == pytest.approx(figure(every, s[twice], z[twice])), name


def test_the_interval_of_an_accuracy_is_that_of_a_share_and_wider_by_groups() -> None:
    right = np.arange(400) % 10 < 7
    p = np.stack([right, ~right], 1).astype(float)
    every, y = np.ones(400, dtype=bool), np.zeros(400)
    by_row = resampled("accuracy", p, y, every, np.arange(400))
    assert by_row is not None
    assert by_row.mean() == pytest.approx(0.7, abs=0.005)
    assert by_row.std() == pytest.approx(np.sqrt(0.21 / 400), rel=0.1)
    alike = np.repeat(np.arange(100), 4)  # the same answer four times, as of one speaker
    p, y = p[:100][alike], y[:400]
    by_group = resampled("accuracy", p, y, every, alike)
    assert by_group is not None
    assert by_group.std() == pytest.approx(np.sqrt(0.21 / 100), rel=0.1)


def test_draws_are_the_same_for_two_models_and_none_for_an_unknown_metric() -> None:
    rng = np.random.default_rng(1)
    p, y, every = rng.dirichlet([1, 1], 50), rng.integers(0, 2, 50).astype(float), np.ones(50, dtype=bool)
    first, again = (resampled("accuracy", p, y, every, np.arange(50)) for _ in range(2))
    assert first is not None
    assert again is not None
    assert (first - again == 0).all()
    assert resampled("unknown", p, y, every, np.arange(50)) is None


def test_the_calibration_error_is_the_distance_by_bin() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    honest = reliability(p, rng.random(20_000) < p)
    assert calibration_error(honest) < 0.02
    assert sum(b.count for b in honest) == 20_000
    sure = reliability(np.full(1000, 0.95), np.arange(1000) < 700)
    assert calibration_error(sure) == pytest.approx(0.25)
    assert [b.count for b in reliability(np.array([0.0, 0.1, 1.0]), np.ones(3, dtype=bool))][::9] == [1, 1]


def test_the_threshold_curve_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p, true = rng.random(200), rng.random(200) < 0.3
    curve = threshold_curve(p, true)
    for threshold in (0.25, 0.5, 0.9):
        rates = curve.at(threshold)
        assert rates["precision"] == pytest.approx(precision_score(true, p > threshold), abs=1e-6)
        assert rates["recall"] == pytest.approx(recall_score(true, p > threshold), abs=1e-6)
    assert curve.recall[0] == 1
    assert curve.recall[-1] == 0
