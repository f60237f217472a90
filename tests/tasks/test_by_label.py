"""Metrics of partly labelled heads: a figure for each label over the samples in which it is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sennit.tasks import MultiLabel, Regression

SIZE, LABELS = 40, 5


def known() -> Tensor:
    labelled = torch.rand(SIZE, LABELS) > 0.6
    labelled[:, 4] = False
    return labelled


def in_two_batches(
    task: MultiLabel | Regression, logits: Tensor, target: Tensor, labelled: Tensor
) -> dict[str, Tensor]:
    metrics = task.metrics()
    for rows in (slice(0, 15), slice(15, None)):
        task.update_metrics(metrics, logits[rows], target[rows], labelled[rows])
    found: dict[str, Tensor] = metrics.compute()
    return found


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    """Of a positive and a negative, both known, the positive scores higher; ties count half."""
    logits, target, labelled = torch.randn(SIZE, LABELS).round(decimals=1), torch.rand(SIZE, LABELS), known()
    target = (target > 0.5).float()
    target[:, 3] = 1.0  # of one class only
    areas = []
    for j in range(LABELS):
        pairs = right = 0.0
        for a in range(SIZE):
            for b in range(SIZE):
                if labelled[a, j] and labelled[b, j] and target[a, j] == 1 and target[b, j] == 0:
                    pairs += 1
                    right += float(logits[a, j] > logits[b, j]) + 0.5 * float(logits[a, j] == logits[b, j])
        if pairs:
            areas.append(right / pairs)
    assert len(areas) == 3
    spoiled = torch.where(labelled, target, 7.0)
    found = in_two_batches(MultiLabel(LABELS, metrics=("accuracy", "auroc")), logits, spoiled, labelled)
    assert float(found["auroc"]) == pytest.approx(sum(areas) / 3, abs=1e-6)
    assert set(MultiLabel(LABELS).metrics()) == {"accuracy"}


def test_r2_and_error_of_sparse_numbers_are_those_of_a_plain_loop() -> None:
    output, target, labelled = torch.randn(SIZE, LABELS), torch.randn(SIZE, LABELS), known()
    target[:, 3] = 2.0  # never varies
    shares, errors = [], []
    for j in range(LABELS):
        pairs = [(float(output[i, j]), float(target[i, j])) for i in range(SIZE) if labelled[i, j]]
        if not pairs:
            continue
        mean = sum(y for _, y in pairs) / len(pairs)
        spread = sum((y - mean) ** 2 for _, y in pairs)
        errors.append(sum(abs(p - y) for p, y in pairs) / len(pairs))
        if spread:
            shares.append(1 - sum((p - y) ** 2 for p, y in pairs) / spread)
    assert (len(shares), len(errors)) == (3, 4)
    task = Regression(LABELS)
    spoiled = torch.where(labelled, target, 1e6)
    found = in_two_batches(task, output, spoiled, labelled)
    assert float(found["r2"]) == pytest.approx(sum(shares) / 3, abs=1e-5)
    assert float(found["mae"]) == pytest.approx(sum(errors) / 4, abs=1e-5)
    assert task.score(output, spoiled, labelled) == pytest.approx(sum(shares) / 3, abs=1e-5)


def test_without_a_figure_for_any_label_the_mean_is_nan() -> None:
    none = torch.zeros(SIZE, LABELS, dtype=torch.bool)
    values = torch.zeros(SIZE, LABELS)
    found = in_two_batches(Regression(LABELS), values, values, none)
    assert math.isnan(float(found["r2"]))
    assert math.isnan(
        float(
            in_two_batches(MultiLabel(LABELS, metrics=("accuracy", "auroc")), values, values, none)["auroc"]
        )
    )


def test_a_single_label_has_metrics_too() -> None:
    logits = torch.tensor([[2.0], [-1.0], [3.0], [0.5]])
    target, labelled = (
        torch.tensor([[1.0], [0.0], [0.0], [1.0]]),
        torch.tensor([[True], [True], [True], [False]]),
    )
    metrics = MultiLabel(1, metrics=("accuracy", "auroc")).metrics()
    MultiLabel(1).update_metrics(metrics, logits, target, labelled)
    found = metrics.compute()
    assert float(found["accuracy"]) == pytest.approx(2 / 3)
    assert float(found["auroc"]) == pytest.approx(0.5)


def test_samples_labelled_as_a_whole_count_too() -> None:
    output, target = torch.randn(SIZE, 2), torch.randn(SIZE, 2)
    rows = torch.arange(SIZE) % 2 == 0
    found = in_two_batches(Regression(2), output, target, rows)
    alone = in_two_batches(
        Regression(2), output[rows], target[rows], torch.ones(int(rows.sum()), dtype=torch.bool)
    )
    assert float(found["r2"]) == pytest.approx(float(alone["r2"]), abs=1e-5)
    assert float(found["mae"]) == pytest.approx(float(alone["mae"]), abs=1e-5)


def test_options_are_kept() -> None:
    assert MultiLabel(2, metrics=("accuracy", "auroc")).config["metrics"] == ("accuracy", "auroc")
