"""Classes with an order, against the formulas in plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, log_loss
from torch import Tensor

from sennit.tasks import Classification, Ordinal
from sennit.tasks.metrics.median_class import median_class
from tests.parts import make_batch, make_model

OUTPUT, TARGET = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 5


def probability(output: list[float], k: int) -> float:
    """P(y = k) by the chain of conditional probabilities."""
    p = 1.0
    for j, o in enumerate(output):
        above = 1 / (1 + math.exp(-o))
        if j == k:
            return p * (1 - above)
        p *= above
    return p


def test_the_loss_is_the_sum_of_the_binary_cross_entropies_up_to_the_class() -> None:
    expected = []
    for output, y in zip(OUTPUT.double().tolist(), TARGET.tolist(), strict=True):
        loss = 0.0
        for k, o in enumerate(output):
            if y >= k:  # the subset on which output k is trained
                above = 1 / (1 + math.exp(-o))
                loss -= math.log(above if y > k else 1 - above)
        assert loss == pytest.approx(-math.log(probability(output, y)))
        expected.append(loss)
    torch.testing.assert_close(Ordinal(5).loss(OUTPUT, TARGET), torch.tensor(expected))


def test_probabilities_and_the_median_class() -> None:
    task = Ordinal(5)
    p = task.scores(OUTPUT)
    expected = [[probability(o, k) for k in range(5)] for o in OUTPUT.double().tolist()]
    torch.testing.assert_close(p, torch.tensor(expected))
    above = p.flip(1).cumsum(1).flip(1)
    assert bool((above[:, 1:] <= above[:, :-1]).all())
    medians = [int(np.searchsorted(np.cumsum(row), 0.5)) for row in expected]
    assert median_class(p).tolist() == medians == [int(a["label"]) for a in task.predict(OUTPUT)]


def test_metrics_are_those_of_scikit_learn() -> None:
    task = Ordinal(5, metrics=["kappa", "rank_mae", "balanced_accuracy", "log_loss", "accuracy"])
    metrics = task.metrics()
    for rows in (slice(0, 15), slice(15, 40)):
        task.update_metrics(
            metrics, OUTPUT[rows], TARGET[rows], torch.ones(len(TARGET[rows]), dtype=torch.bool)
        )
    values = {name: float(value) for name, value in metrics.compute().items()}
    ranks, p = median_class(task.scores(OUTPUT)).numpy(), task.scores(OUTPUT).double().numpy()
    y = TARGET.numpy()
    assert values["kappa"] == pytest.approx(cohen_kappa_score(y, ranks, weights="quadratic"))
    assert task.score(OUTPUT, TARGET, torch.ones(40, dtype=torch.bool)) == pytest.approx(values["kappa"])
    assert values["rank_mae"] == pytest.approx(np.abs(y - ranks).mean())
    assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, ranks))
    assert values["accuracy"] == pytest.approx((y == ranks).mean())
    assert values["log_loss"] == pytest.approx(log_loss(y, p / p.sum(1, keepdims=True), labels=range(5)))


@pytest.mark.parametrize("fusion", ["gated", "mean_probability", "product_of_experts"])
def test_it_trains_under_plain_and_decision_fusions_beside_other_tasks(fusion: str) -> None:
    model = make_model(fusion, {"grade": Ordinal(3), "y": Classification(2)})
    batch = make_batch(8, targets={"grade": torch.arange(8) % 3, "y": torch.arange(8) % 2})
    model.loss(batch)[0].backward()
    assert all(bool(p.grad.isfinite().all()) for p in model.heads.parameters())
    out: Tensor = model(batch)["grade"].logits
    torch.testing.assert_close(model.tasks["grade"].scores(out).sum(1), torch.ones(8))
