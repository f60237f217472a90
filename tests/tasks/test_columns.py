"""Sharings over columns: cross-stitch, NDDR and sluice networks, between encoders and over a trunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from sennit.encoders import create_encoder
from sennit.fusion import create_fusion
from sennit.tasks import (
    Classification,
    CrossStitch,
    Learner,
    MultiTaskModel,
    Regression,
    Task,
    create_sharing,
    start_from_single_tasks,
)
from sennit.tasks.analysis.sharing_figures import draw_mixing
from tests.parts import make_batch, make_model

MODALITIES = ("table", "series", "image")
TASKS: dict[str, Task] = {"y": Classification(3), "z": Regression(), "w": Regression(2)}
TARGETS = {"y": torch.arange(12) % 3, "z": torch.linspace(-1, 1, 12)[:, None], "w": torch.randn(12, 2)}
TRUNK = {"name": "mlp", "depth": 2, "dropout": 0.0}
APART: dict[str, dict[str, Any]] = {
    "cross_stitch": {"self_weight": 1.0},
    "nddr_cnn": {"self_weight": 1.0},
    "sluice": {"self_weight": 1.0, "last": 1.0, "orthogonality": 0.0},
}
"""Options with which the networks start separate."""

each = pytest.mark.parametrize("name", APART)
everywhere = pytest.mark.parametrize("trunk", [None, TRUNK], ids=["encoders", "trunk"])


def make(
    name: str, trunk: Mapping[str, Any] | None, tasks: Mapping[str, Task], **more: Any
) -> MultiTaskModel:
    sharing = create_sharing(name, **{**APART[name], "trunk": trunk, **more})
    return make_model("gated", tasks, modalities=MODALITIES, sharing=sharing)


def disturb(*modules: nn.Module) -> None:
    with torch.no_grad():
        for module in modules:
            for p in module.parameters():
                p.add_(0.1 * torch.randn_like(p))


@each
@everywhere
def test_the_identity_is_separate_networks(name: str, trunk: Mapping[str, Any] | None) -> None:
    """In outputs, losses and gradients, with modalities and labels missing."""
    model = make(name, trunk, TASKS)
    disturb(*model.columns, *(model.sharing.stacks.values() if trunk else []))
    labelled = {t: torch.rand(12) > 0.3 for t in TASKS}
    batch = make_batch(12, MODALITIES, targets=TARGETS, labelled=labelled)
    _, parts = model.loss(batch)
    model.loss(batch)[0].backward()
    for i, (task, kind) in enumerate(TASKS.items()):
        alone = make(name, trunk, {task: kind})
        alone.columns[0].load_state_dict(model.columns[0 if trunk else i].state_dict())
        alone.heads[task].load_state_dict(model.heads[task].state_dict())
        network, own = alone.columns[0], model.columns[i % len(model.columns)]
        if trunk:
            alone.sharing.stacks[task].load_state_dict(model.sharing.stacks[task].state_dict())
            network, own = alone.sharing.stacks[task], model.sharing.stacks[task]
        loss, single = alone.loss(batch.replaced(targets={task: TARGETS[task]}))
        torch.testing.assert_close(single[task], parts[task])
        loss.backward()
        for (key, p), q in zip(own.named_parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, msg=key)


@each
@everywhere
def test_each_network_reads_the_others_behind_every_stage(name: str, trunk: Mapping[str, Any] | None) -> None:
    """Of the first task's outputs, each level of another task's network changes something."""
    model = make(name, trunk, TASKS, self_weight=0.7, **({"last": 0.6} if name == "sluice" else {})).eval()
    batch = make_batch(12, MODALITIES, targets=TARGETS, missing=False)
    before = model(batch)["y"].logits
    networks = {"trunk": model.sharing.stacks["w"]} if trunk else dict(model.columns[2].encoders.items())
    for network in networks.values():
        for stage in network.stages:
            state = {k: v.clone() for k, v in stage.state_dict().items()}
            disturb(stage)
            assert not torch.allclose(model(batch)["y"].logits, before)
            stage.load_state_dict(state)
    torch.testing.assert_close(model(batch)["y"].logits, before)


@each
@everywhere
def test_networks_start_as_copies_and_train_apart(name: str, trunk: Mapping[str, Any] | None) -> None:
    model = make(name, trunk, TASKS)
    first, *others = model.sharing.networks
    for other in others:
        for (key, p), q in zip(first.named_parameters(), other.parameters(), strict=True):
            assert torch.equal(p, q), key
            assert p is not q
    optimizer = Learner(model, lr=0.1).configure_optimizers()
    model.loss(make_batch(12, MODALITIES, targets=TARGETS))[0].backward()
    optimizer.step()
    for other in others:
        same = [torch.equal(p, q) for p, q in zip(first.parameters(), other.parameters(), strict=True)]
        assert not all(same)


@each
def test_nobody_saves_the_networks_twice(name: str) -> None:
    model = make(name, None, TASKS)
    assert not any(n.startswith("sharing.networks") for n, _ in model.named_parameters())
    assert len({id(p) for p in model.parameters()}) == len(
        list(model.named_parameters(remove_duplicate=False))
    )


@everywhere
@pytest.mark.parametrize("name", ["cross_stitch", "sluice"])
def test_mixing_coefficients_have_a_learning_rate_of_their_own(
    name: str, trunk: Mapping[str, Any] | None
) -> None:
    model = make(name, trunk, TASKS, lr_multiplier=10.0)
    groups = Learner(model, lr=0.01, lr_scale={"sharing": 0.5}).configure_optimizers().param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    for key, p in model.named_parameters():
        times = 10 if ".alpha." in key or ".beta." in key else 1
        scale = 0.5 if key.startswith("sharing.") else 1
        assert rate[id(p)] == pytest.approx(0.01 * times * scale), key
    spared = [group for group in groups if group["lr"] > 0.01]
    assert [(g["weight_decay"], g["name"]) for g in spared] == [(0.0, "sharing, spared, 10 times the rate")]


@everywhere
def test_mixing_says_who_reads_whom(trunk: Mapping[str, Any] | None) -> None:
    tasks = {t: TASKS[t] for t in ("y", "z")}
    expected = torch.tensor([[0.8, 0.2], [0.2, 0.8]])
    for name in ("cross_stitch", "nddr_cnn"):
        sharing = make(name, trunk, tasks, self_weight=0.8).sharing
        for matrix in sharing.mixing().values():
            torch.testing.assert_close(matrix, expected)
            assert not matrix.requires_grad
    stages = ["trunk/block1", "trunk/block2"]
    if trunk is None:
        stages = ["table/block1", "table/block2", "series/stage1", "series/stage2"]
        stages += [f"image/stage{i}" for i in (1, 2, 3)]
    sluice = make("sluice", trunk, tasks, self_weight=0.7, last=0.75).sharing
    assert list(sluice.mixing()) == list(sharing.mixing()) == stages
    for matrix in sluice.mixing().values():
        torch.testing.assert_close(matrix, torch.full((4, 4), 0.1).fill_diagonal_(0.7))
    skips = sluice.skips()
    assert list(skips) == (["trunk"] if trunk else ["table", "series"])  # the image's stages differ
    for beta in skips.values():
        torch.testing.assert_close(beta, torch.tensor([[0.25, 0.75]]).repeat(2, 1))


@everywhere
def test_the_picture_has_a_heat_map_for_each_stage(trunk: Mapping[str, Any] | None) -> None:
    for name in ("cross_stitch", "sluice"):
        sharing = make(name, trunk, TASKS).sharing
        *maps, _ = draw_mixing(sharing).axes
        assert [axes.get_title() for axes in maps] == list(sharing.mixing())
        assert [label.get_text() for label in maps[0].get_yticklabels()] == list(TASKS)
    soft = make_model("gated", TASKS, sharing=create_sharing("soft_l2")).sharing
    with pytest.raises(ValueError, match=r"sharing 'soft_l2' mixes nothing"):
        draw_mixing(soft)


@each
def test_encoders_without_stages_are_refused_unless_there_is_a_trunk(name: str) -> None:
    encoders = {"table": create_encoder("mlp", 3, width=8, embed_dim=6)}
    for trunk in (None, TRUNK):
        model = {
            "encoders": encoders,
            "fusion": create_fusion("early_concat", encoders, embed_dim=8),
            "tasks": TASKS,
            "sharing": create_sharing(name, trunk=trunk),
        }
        if trunk is None:
            with pytest.raises(
                TypeError, match=rf"sharing '{name}' .* 'table' \(\w+\) has none. .* a `trunk`"
            ):
                MultiTaskModel(**model)
        else:
            MultiTaskModel(**model)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("nddr_cnn", {"self_weight": 0.0}, r"`self_weight` should be more than 0 and at most 1. Found 0.0"),
        ("sluice", {"last": 1.5}, r"`last` should be more than 0 and at most 1. Found 1.5"),
        ("cross_stitch", {"lr_multiplier": 0.0}, r"`lr_multiplier` should be more than 0. Found 0.0"),
        ("cross_stitch", {"trunk": {"name": "mpl"}}, r"unknown stack 'mpl'. Did you mean 'mlp'"),
        ("soft_l2", {"trunk": {"name": "mlp", "dept": 1}}, r"'dept'. Did you mean 'depth'"),
        ("mtan", {"trunk": {"depth": 1}}, r"the config of a stack should have a 'name'"),
    ],
)
def test_what_is_wrong_is_refused_by_name(name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make_model(tasks=TASKS, sharing=create_sharing(name, **options))


def singles(fusion: str = "gated", **more: Any) -> dict[str, MultiTaskModel]:
    found = {t: make_model(fusion, {t: task}, modalities=MODALITIES, **more) for t, task in TASKS.items()}
    for model in found.values():
        disturb(model)
    return found


@pytest.mark.parametrize("fusion", ["gated", "central_net", "mean_probability"])
def test_started_from_single_tasks_it_says_what_they_say(fusion: str) -> None:
    alone = singles(fusion)
    model = make_model(fusion, TASKS, modalities=MODALITIES, sharing=CrossStitch(self_weight=1.0))
    start_from_single_tasks(model, alone)
    batch = make_batch(12, MODALITIES, targets=TARGETS)
    for task, single in alone.items():
        torch.testing.assert_close(model.eval()(batch)[task].logits, single.eval()(batch)[task].logits)
    disturb(*alone.values())  # they are copies
    assert not torch.allclose(model(batch)["y"].logits, alone["y"](batch)["y"].logits)


def test_a_start_that_does_not_fit_is_refused_by_name() -> None:
    alone, model = singles(), make("cross_stitch", None, TASKS)
    with pytest.raises(TypeError, match=r"Found one set of them, with sharing 'hard'"):
        start_from_single_tasks(make_model("gated", TASKS), alone)
    with pytest.raises(TypeError, match=r"Found one set of them, with sharing 'cross_stitch'"):
        start_from_single_tasks(make("cross_stitch", TRUNK, TASKS), alone)
    with pytest.raises(ValueError, match=r"unknown task in `singles` 'yy'. Did you mean 'y'"):
        start_from_single_tasks(model, {**alone, "yy": alone["y"]})
    with pytest.raises(ValueError, match=r"Found none of \['z', 'w'\]"):
        start_from_single_tasks(model, {"y": alone["y"]})
    with pytest.raises(ValueError, match=r"task with a head in `singles\['z'\]` 'z'"):
        start_from_single_tasks(model, {**alone, "z": alone["y"]})
    with pytest.raises(ValueError, match=r"the encoders and fusion of `singles\['y'\]` should be as those"):
        start_from_single_tasks(model, {**alone, "y": singles("concat")["y"]})
