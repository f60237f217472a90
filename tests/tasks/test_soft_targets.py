"""Soft targets of every labelled loss and decision rule, against float64 loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sennit.data import Batch
from sennit.data.target_spec import TargetSpec
from sennit.fusion import list_fusions
from sennit.tasks import AAMSoftmax, AMSoftmax, Classification, MultiLabel, MultiTaskModel, Regression, Task
from sennit.tasks.model.terms import output_loss
from tests.parts import make_batch, make_model

WEIGHTS = [0.5, 1.0, 1.5]
CLASSIFICATIONS = {
    "plain": lambda: Classification(3),
    "weights, smoothing": lambda: Classification(3, class_weights=WEIGHTS, label_smoothing=0.2),
    "am": lambda: AMSoftmax(3, margin=0.3, scale=10.0),
    "aam": lambda: AAMSoftmax(3, margin=0.3, scale=30.0, class_weights=WEIGHTS, label_smoothing=0.2),
}


def probabilities(size: int, classes: int) -> Tensor:
    return torch.randn(size, classes).softmax(-1)


@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_the_loss_of_a_soft_target_is_the_mean_of_the_classes_losses(name: str) -> None:
    task, target = CLASSIFICATIONS[name](), probabilities(6, 3)
    output = (2 * torch.rand(6, 3) - 1).requires_grad_()
    of_classes = torch.stack([task.loss(output, torch.full((6,), c)) for c in range(3)], 1)
    expected, losses = (of_classes * target).sum(1), task.loss(output, target)
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    grads = [torch.autograd.grad(x.sum(), output, retain_graph=True)[0] for x in (losses, expected)]
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)
    hard = torch.tensor([0, 1, 2, 0, 1, 2])
    as_soft = torch.nn.functional.one_hot(hard, 3).float()
    torch.testing.assert_close(task.loss(output, as_soft), task.loss(output, hard), rtol=1e-5, atol=1e-5)


def test_the_cross_entropy_of_a_soft_target_in_float64() -> None:
    output, target = torch.randn(4, 3), probabilities(4, 3)
    for loss, row, t in zip(Classification(3).loss(output, target), output, target, strict=True):
        total = sum(math.exp(x) for x in row.tolist())
        expected = -sum(
            p * math.log(math.exp(x) / total) for p, x in zip(t.tolist(), row.tolist(), strict=True)
        )
        assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("fusion", list_fusions(stage="decision"))
def test_soft_targets_under_every_decision_fusion(fusion: str) -> None:
    """The loss is linear in the target, so it is the mean of the losses of hard ones, gradients too."""
    torch.manual_seed(0)
    task = Classification(3, class_weights=WEIGHTS, label_smoothing=0.1)
    model, target = make_model(fusion, {"y": task}), probabilities(8, 3)
    batch = make_batch(8, targets={"y": target}, labelled={"y": torch.arange(8) > 1})
    loss = model.loss(batch)[0]
    of_classes = torch.stack([_rows(model, batch, c) for c in range(3)], 1)
    expected = (of_classes * target)[2:].sum(1).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    weights = list(model.heads.parameters())
    grads = [torch.autograd.grad(x, weights, retain_graph=True) for x in (loss, expected)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-4, atol=1e-5)


def _rows(model: MultiTaskModel, batch: Batch, c: int) -> Tensor:
    features = model.features(batch, ("y",))
    out = model.decode(features, ("y",))["y"]
    return output_loss(model.tasks["y"], out.logits, torch.full((8,), c), cost=out.cost)


TASKS: dict[str, tuple[Task, Tensor]] = {
    "multilabel": (MultiLabel(2), torch.rand(8, 2)),
    "regression": (Regression(2), torch.randn(8, 2)),
    "am": (AMSoftmax(3), probabilities(8, 3)),
}


@pytest.mark.parametrize("name", TASKS)
def test_soft_targets_of_other_tasks_train_under_plain_and_decision_fusions(name: str) -> None:
    task, target = TASKS[name]
    for fusion in ("gated", "product_of_experts"):
        model = make_model(fusion, {"y": task})
        loss = model.loss(make_batch(8, targets={"y": target}))[0]
        loss.backward()
        assert bool(loss.isfinite())
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in model.heads.parameters())


def test_a_soft_target_of_the_wrong_size_or_kind_is_refused() -> None:
    spec = Classification(3).target
    assert isinstance(spec, TargetSpec)
    spec.check("y", probabilities(4, 3))
    with pytest.raises(ValueError, match=r"`targets\['y'\]` should have shape \[batch\]\. Found \(4, 2\)"):
        spec.check("y", probabilities(4, 2))
    with pytest.raises(ValueError, match=r"should have shape \[batch\]\. Found \(4, 3\)"):
        spec.check("y", torch.ones(4, 3, dtype=torch.long))


def test_mixed_and_sharpened_targets() -> None:
    share, task = torch.tensor([1.0, 0.75]), Classification(3)
    mixed = task.mix(torch.tensor([0, 1]), torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), share)
    assert mixed.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.75, 0.25]]
    p = torch.tensor([[0.5, 0.3, 0.2]])
    powers = [x**2 for x in (0.5, 0.3, 0.2)]
    expected = torch.tensor([[x / sum(powers) for x in powers]])
    torch.testing.assert_close(task.sharpen(p, 0.5), expected)
    certain = torch.tensor([[1.0, 0.0, 0.0]])
    torch.testing.assert_close(task.sharpen(certain, 0.5), certain)
    labels = MultiLabel(2).sharpen(torch.tensor([[0.8, 1.0]]), 0.5)
    torch.testing.assert_close(labels, torch.tensor([[0.64 / (0.64 + 0.04), 1.0]]))
    torch.testing.assert_close(task.entropy(p.log()), -(p * p.log()).sum(1))
    both = torch.tensor([[0.8, 0.5]])
    expected_entropy = -(both * both.log() + (1 - both) * (1 - both).log()).sum(1)
    torch.testing.assert_close(MultiLabel(2).entropy(both.logit()), expected_entropy)
