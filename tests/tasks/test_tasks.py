"""The options of single tasks against plain formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sennit.fusion import AdditiveRule
from sennit.tasks import Classification, MultiLabel, Regression


def test_classification_is_the_cross_entropy_with_weights_and_smoothing() -> None:
    task = Classification(3, class_weights=[1.0, 2.0, 0.5], label_smoothing=0.2)
    logits, target = torch.randn(6, 3, dtype=torch.float64), torch.arange(6) % 3
    weights = [1.0, 2.0, 0.5]
    for loss, row, y in zip(task.loss(logits, target), logits, target, strict=True):
        log_p = row - row.exp().sum().log()
        smoothed = -(0.8 * log_p[y] + 0.2 * log_p.mean())
        assert loss.item() == pytest.approx(weights[y] * smoothed.item(), rel=1e-5)


def test_the_scale_of_class_weights_is_kept() -> None:
    """Samples are not divided by the weights that happen to be in the batch."""
    task, logits = Classification(2, class_weights=[3.0, 1.0]), torch.randn(4, 2)
    target = torch.zeros(4, dtype=torch.long)
    torch.testing.assert_close(task.loss(logits, target).mean(), 3 * F.cross_entropy(logits, target))


def test_regression_is_the_squared_error_of_each_number() -> None:
    output, target = torch.randn(3, 2), torch.randn(3, 2)
    torch.testing.assert_close(Regression(2).loss(output, target), (output - target) ** 2)


def test_multilabel_is_the_binary_cross_entropy_of_each_label() -> None:
    output, target = torch.randn(3, 4, dtype=torch.float64), (torch.rand(3, 4) > 0.5).double()
    p = 1 / (1 + (-output).exp())
    expected = -(target * p.log() + (1 - target) * (1 - p).log())
    torch.testing.assert_close(MultiLabel(4).loss(output, target), expected.float())


def test_a_label_between_0_and_1_counts_alike_under_a_decision_fusion() -> None:
    """As a share of either; with one candidate the loss is the binary cross-entropy itself."""
    task, output, target = MultiLabel(4), torch.randn(3, 4), torch.rand(3, 4)
    target[0] = torch.tensor([0.0, 1.0, 0.5, 0.3])
    log_p = task.log_probabilities(output.unsqueeze(1))
    cost = AdditiveRule().cost(log_p, torch.ones(3, 1, dtype=torch.bool))
    torch.testing.assert_close(task.expected_cost(cost, target), task.loss(output, target))
    assert torch.equal(
        task.expected_cost(cost, target.round()), cost.gather(2, target.round().long()[..., None])[..., 0]
    )


def test_predictions_name_what_they_say() -> None:
    assert Classification(["cat", "dog"]).predict(torch.tensor([[0.0, 2.0]]))[0]["label"] == "dog"
    assert MultiLabel(["wet", "cold"]).predict(torch.tensor([[3.0, -3.0]]))[0]["labels"] == ["wet"]
    assert Regression(2).predict(torch.tensor([[0.5, -1.0]]))[0]["value"] == [0.5, -1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 1}, "two classes or more. Found 1"),
        ({"classes": 3, "class_weights": [1.0]}, "`class_weights` should hold 3 weights. Found 1"),
        ({"classes": 3, "label_smoothing": 1.0}, "`label_smoothing` should be from 0 to less than 1"),
    ],
)
def test_wrong_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classification(**options)
