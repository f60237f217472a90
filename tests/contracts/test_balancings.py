"""Every registered balancing against the contract."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sennit.tasks import Classification, Learner, MultiLabel, Regression, create_balancing, list_balancings
from sennit.tasks.balancing._base import BALANCINGS, LEVELS
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.losses import task_losses, training_features
from sennit.testing import check_balancing
from sennit.testing.gradients import assert_close_gradients, backward
from sennit.testing.task_kit import check_config_round_trip
from tests.parts import make_batch, make_model

EXAMPLES: dict[str, dict[str, Any]] = {
    "aligned_mtl": {},
    "cagrad": {"c": 0.5},
    "gradvac": {"beta": 0.1},
    "imtl_g": {},
    "mgda": {},
    "nash_mtl": {},
    "pcgrad": {},
    "upgrad": {"level": "parameters"},
}

each = pytest.mark.parametrize("name", EXAMPLES)


def test_every_balancing_has_an_example() -> None:
    # Debiasing is no rule among equals: tests/tasks/test_adversary.py holds it to its formula.
    assert {*EXAMPLES, "debiasing"} == set(list_balancings())


@each
def test_config_round_trip(name: str) -> None:
    check_config_round_trip(create_balancing(name, **EXAMPLES[name]), BALANCINGS)


@each
def test_contract(name: str) -> None:
    check_balancing(lambda: create_balancing(name, **EXAMPLES[name]))


@each
@pytest.mark.parametrize("level", LEVELS)
def test_a_step_at_either_level(name: str, level: str) -> None:
    """Shared parameters receive the rule's mixture of the tasks' gradients, heads their own task's."""
    tasks = {"y": Classification(3), "idle": Regression(), "z": Regression(), "w": MultiLabel(4)}
    model = make_model("gated", tasks).double()
    balancing, again = (create_balancing(name, **EXAMPLES[name] | {"level": level}) for _ in range(2))
    optimizer = Learner(model, lr=0.1, balancing=balancing).configure_optimizers()
    target = {"y": torch.arange(8) % 3, "z": torch.randn(8, 1).double(), "w": torch.rand(8, 4).round()}
    batch = make_batch(targets=target)
    batch = batch.replaced(inputs={m: x.double() for m, x in batch.inputs.items()})

    active = active_tasks(model, [batch])
    features = training_features(model, batch, active)
    losses = [x for x, on in zip(task_losses(model, [batch], [features], active), active, strict=True) if on]
    shared, heads = {}, {}
    for n, p in model.named_parameters():
        (heads if n.startswith("heads.") else shared)[n] = p
    read = list(shared.values()) if level == "parameters" else [features[""].by_task["y"]]
    rows = []
    for x in losses:
        gradients = torch.autograd.grad(x, read, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in gradients]))
    again.bind(list(tasks))
    torch.manual_seed(0)  # of random orders
    weights = again.weights_of(torch.stack(rows) @ torch.stack(rows).T, active)
    mixed = sum(w * x for w, x in zip(weights, losses, strict=True))
    expected = dict(
        zip(shared, torch.autograd.grad(mixed, list(shared.values()), retain_graph=True), strict=True)
    )
    own = torch.autograd.grad(sum(losses), list(heads.values()), allow_unused=True)

    torch.manual_seed(0)
    gradients = backward(model, batch, lambda b: balanced_loss(model, balancing, b))
    assert_close_gradients(gradients, expected | dict(zip(heads, own, strict=True)))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    optimizer.step()
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {n for n in before if not n.startswith("heads.m_idle")}
