"""Every registered sharing against the contract."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from sennit.tasks import Classification, MultiTaskModel, Regression, Sharing, create_sharing, list_sharings
from sennit.tasks.model.losses import training_features
from sennit.tasks.sharing._base import SHARINGS
from sennit.testing import fusion_kit, task_kit
from tests.parts import make_batch, make_model

STACK = {"stack": {"name": "mlp", "depth": 1, "dropout": 0.0}}
TRUNK = {"trunk": {"name": "mlp", "depth": 2, "dropout": 0.0}}
METHODS: dict[str, dict[str, Any]] = {
    "adaptive": {"stack": {"name": "mlp", "depth": 2, "dropout": 0.0}},
    "cgc": {"shared": 2, "per_task": 2, **STACK},
    "cross_stitch": {"self_weight": 0.8},
    "hard": {"depth": 1, "dropout": 0.0},
    "mean_regularized": {"strength": 0.1, "depth": 1, "dropout": 0.0},
    "mmoe": {"experts": 3, **STACK},
    "mtan": TRUNK,
    "nddr_cnn": {"self_weight": 0.8},
    "ple": {"levels": 2, "per_task": 2, **STACK},
    "segments": {"depth": 1},
    "sluice": {"subspaces": 2, "self_weight": 0.8},
    "soft_l2": {"strength": 0.1},
    "soft_orthogonality": {"strength": 0.5, **STACK},
    "tensor_normal": {"strength": 0.1, "every": 2, **STACK},
    "trace_norm": {"strength": 0.1},
}
SOFT = ("soft_l2", "trace_norm")
COLUMNS = ("cross_stitch", "nddr_cnn", "sluice", *SOFT)
EXAMPLES: dict[str, dict[str, Any]] = {
    **METHODS,
    "mtan over encoders": {"encoders": True},
    **{f"{name} over a trunk": METHODS[name] | TRUNK for name in COLUMNS},
}
OWN = re.compile(
    r"heads\.m_z|columns\.1\.fusion|units\.m_\w+\.1\.(alpha|beta|maps|norms)\.1|attention\.m_z|m_z\.finish"
)
"""What only the second task's features pass through, in a model of two stages."""
TARGETS = {"y": torch.arange(12) % 3, "z": torch.linspace(-1, 1, 12)[:, None]}

each = pytest.mark.parametrize("name", EXAMPLES)


def create(name: str) -> Sharing:
    return create_sharing(name.partition(" ")[0], **EXAMPLES[name])


def make(name: str) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Regression()}
    return make_model("gated", tasks, sharing=create(name))


def disturbed(name: str) -> MultiTaskModel:
    """With networks that are no copies of each other any more."""
    model = make(name)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def test_every_sharing_has_an_example() -> None:
    assert set(METHODS) == set(list_sharings())


@each
def test_config_round_trip(name: str) -> None:
    task_kit.check_config_round_trip(create(name), SHARINGS)


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


@each
def test_saved_and_loaded_it_says_the_same(name: str, tmp_path: Path) -> None:
    model, batch = disturbed(name).eval(), make_batch(12, targets=TARGETS)
    model.save_pretrained(tmp_path)
    again = MultiTaskModel.from_pretrained(tmp_path)
    assert again.sharing.config == model.sharing.config
    for task, out in model(batch).items():
        torch.testing.assert_close(again(batch)[task].logits, out.logits)


@each
def test_what_stands_in_absent_slots_and_padding_reaches_nothing(name: str) -> None:
    """NaN there changes neither outputs nor gradients, in training and in evaluation."""
    model, batch = disturbed(name), make_batch(12, targets=TARGETS)
    inputs = {m: x.clone() for m, x in batch.inputs.items()}
    for m, x in inputs.items():
        x[~batch.present[m]] = torch.nan
    inputs["series"][~batch.masks["series"]] = torch.nan
    found = []
    for one in (batch, batch.replaced(inputs=inputs)):
        again = copy.deepcopy(model)
        again.loss(one)[0].backward()
        gradients = {n: p.grad for n, p in again.named_parameters()}
        found.append(({t: out.logits for t, out in again.eval()(one).items()}, gradients))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=0)


@each
def test_padding_changes_nothing(name: str) -> None:
    model, batch = disturbed(name).eval(), make_batch(4, targets={})
    more = torch.randn_like(batch.inputs["series"])
    longer = batch.replaced(
        inputs=batch.inputs | {"series": torch.cat([batch.inputs["series"], more], 1)},
        masks={"series": torch.cat([batch.masks["series"], torch.zeros(4, more.shape[1]).bool()], 1)},
    )
    for task, out in model(batch).items():
        torch.testing.assert_close(model(longer)[task].logits, out.logits)


@each
def test_one_task_alone(name: str) -> None:
    model = make_model("gated", {"y": Classification(3)}, sharing=create(name))
    loss, _ = model.loss(make_batch(12))
    loss.backward()
    assert bool(loss.isfinite())
    fusion_kit.assert_finite_gradients(model)


@each
def test_a_task_that_reads_one_modality_sees_no_other(name: str) -> None:
    tasks = {"y": Classification(3), "z": Regression(reads=("table",))}
    model = make_model("gated", tasks, sharing=create(name)).eval()
    batch = make_batch(12, targets=TARGETS, missing=False)
    other = batch.replaced(inputs=batch.inputs | {"series": torch.randn_like(batch.inputs["series"])})
    before, after = model(batch), model(other)
    torch.testing.assert_close(after["z"].logits, before["z"].logits)
    assert not torch.allclose(after["y"].logits, before["y"].logits)


@each
def test_half_precision(name: str) -> None:
    model = make(name)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = model.loss(make_batch(12, targets=TARGETS))
    loss.backward()
    assert bool(loss.isfinite())
    fusion_kit.assert_finite_gradients(model)


@each
def test_a_task_without_a_label_leaves_what_is_its_own_alone(name: str) -> None:
    """No gradient at all, so that neither momentum nor decay moves it."""
    model = make(name)
    model.loss(make_batch(12, targets={"y": TARGETS["y"]}))[0].backward()
    own = [p for n, p in model.named_parameters() if OWN.search(n)]
    if name.startswith(("cross_stitch", "sluice")):  # rows of the last unit are among them
        assert any(OWN.search(n) and ".alpha." in n for n, _ in model.named_parameters())
    if name.startswith(SOFT):  # its penalty is part of every step
        own = list(model.heads["z"].parameters())
    assert own
    assert all(p.grad is None for p in own)


@each
def test_a_penalty_counts_once_in_a_step_of_several_batches(name: str) -> None:
    model, batch = disturbed(name).eval(), make_batch(12, targets=TARGETS)
    features = training_features(model, batch, (True, True))[""].by_task
    penalty = model.sharing.penalty_of([features])
    for batches in (batch, [batch, batch]):
        loss, parts = model.loss(batches)
        tasks = parts["y"] + parts["z"]
        torch.testing.assert_close(loss, tasks if penalty is None else tasks + penalty)
        assert ("penalty" in parts) == (penalty is not None)


@each
def test_a_modality_absent_from_the_whole_batch(name: str) -> None:
    model, batch = make(name), make_batch(12, targets=TARGETS, missing=False)
    present = batch.present | {"series": torch.zeros(12, dtype=torch.bool)}
    loss, _ = model.loss(batch.replaced(present=present, all_present=False))
    loss.backward()
    assert bool(loss.isfinite())
    fusion_kit.assert_finite_gradients(model)


@each
def test_a_copy_is_held_together_by_itself(name: str) -> None:
    """A sharing that keeps the model's networks keeps, in a copy, the copy's."""
    model, batch = disturbed(name).eval(), make_batch(12, targets=TARGETS)
    again, before = copy.deepcopy(model), model.loss(batch)[0]
    with torch.no_grad():
        for p in again.parameters():
            p.zero_()
    torch.testing.assert_close(model.loss(batch)[0], before)
    penalty = again.sharing.penalty()
    assert penalty is None or penalty.item() == 0
