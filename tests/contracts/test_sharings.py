"""Every registered sharing against the contract."""

from __future__ import annotations

import pytest
import torch

from tasks import Classification, Regression, create_sharing, list_sharings
from tasks.sharing._base import SHARINGS
from tests.contracts import fusion_kit, task_kit
from tests.parts import make_batch, make_model

EXAMPLES: dict[str, dict[str, float]] = {
    "cross_stitch": {"own": 0.8},
    "hard": {"depth": 1},
    "segments": {"depth": 1},
}
TARGETS = {"y": torch.arange(12) % 3, "z": torch.linspace(-1, 1, 12)[:, None]}

each = pytest.mark.parametrize("name", EXAMPLES)


def make(name: str):
    tasks = {"y": Classification(3), "z": Regression()}
    return make_model("gated", tasks, sharing=create_sharing(name, **EXAMPLES[name]))


def test_every_sharing_has_an_example() -> None:
    assert set(EXAMPLES) == set(list_sharings())


@each
def test_config_round_trip(name: str) -> None:
    task_kit.check_config_round_trip(create_sharing(name, **EXAMPLES[name]), SHARINGS)


@each
def test_features_of_the_declared_size_for_every_task(name: str) -> None:
    model = make(name)
    features = model.features(make_batch(12, targets=TARGETS))
    assert {t: x.shape for t, x in features.by_task.items()} == dict.fromkeys(
        ("y", "z"), (12, model.sharing.out_dim)
    )
    if model.sharing.has_boundary:  # tasks that see the same part at one tensor
        assert features.by_task["y"] is features.by_task["z"]
    penalty = model.sharing.penalty()
    assert penalty is None or penalty.shape == ()


@each
def test_gradient_to_every_parameter(name: str) -> None:
    model = make(name)
    model.loss(make_batch(12, targets=TARGETS))[0].backward()
    idle = [n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert not idle, f"no gradient reaches {idle}"
    fusion_kit.assert_finite_gradients(model)


@each
def test_state_dict_round_trip(name: str) -> None:
    model, batch = make(name).eval(), make_batch(12, targets=TARGETS)
    again = make(name).eval()
    again.load_state_dict(model.state_dict(), strict=True)
    for task, out in model(batch).items():
        assert torch.equal(again(batch)[task].logits, out.logits)


@each
def test_batch_order_equivariance(name: str) -> None:
    model, batch, order = make(name).eval(), make_batch(12, targets=TARGETS), torch.randperm(12)
    turned = model(batch.select(order))
    for task, out in model(batch).items():
        torch.testing.assert_close(turned[task].logits, out.logits[order])
