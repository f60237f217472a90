"""Tasks added to a trained model: the old ones predict what they did, for every sharing and weighting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sennit.fusion import create_fusion
from sennit.tasks import (
    Classification,
    Consistency,
    Learner,
    MultiLabel,
    MultiTaskModel,
    Regression,
    create_balancing,
    create_sharing,
    create_weighting,
    extended,
    list_balancings,
    list_weightings,
)
from sennit.tasks.balancing._base import BALANCINGS
from sennit.tasks.sharing import Sharing, register_sharing
from sennit.tasks.sharing._base import SHARINGS
from sennit.tasks.training import extended_balancing
from tests.contracts.test_sharings import EXAMPLES, create
from tests.parts import make_batch, make_encoders, make_model

REFUSED = {"ple"}
"""Sharings whose shared experts weigh those of all tasks."""


def trained(sharing: str = "hard", **more: Any) -> MultiTaskModel:
    """A model whose weights are no copies of each other, with a task that has no head between two that do."""
    tasks = {"y": Classification(3), "same": Consistency(of="y", teacher="a", student="b"), "z": Regression()}
    model = make_model("gated", tasks, sharing=create(sharing), **more)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
        for name, buffer in model.named_buffers():
            if buffer.is_floating_point() and "covariances" not in name:
                buffer.add_(torch.rand_like(buffer))
    return model


def new_tasks() -> dict[str, Any]:
    return {
        "w": MultiLabel(2),
        "alike": Consistency(of="w", teacher="a", student="b"),
        "v": Regression(3, reads=("table",)),
    }


def copied(model: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in model.state_dict().items()}


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - REFUSED))
def test_old_tasks_predict_the_same_bit_for_bit_and_the_model_stays_as_it_was(name: str) -> None:
    model = trained(name)
    before, batch = copied(model), make_batch(16)
    grown = extended(model, tasks=new_tasks())
    assert list(grown.tasks) == ["y", "same", "z", "w", "alike", "v"]
    assert grown.training == model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    with torch.no_grad():
        old, new = model.eval()(batch), grown.eval()(batch)
    assert [t for t in old if not torch.equal(old[t].logits, new[t].logits)] == []
    assert new["w"].logits.shape == (16, 2)
    assert new["v"].logits.shape == (16, 3)
    shared = {id(p) for p in model.parameters()} & {id(p) for p in grown.parameters()}
    assert not shared
    # It is a model as any other: it learns, and is extended again.
    targets = {"y": torch.arange(16) % 3, "w": torch.ones(16, 2), "v": torch.randn(16, 3)}
    loss, parts = grown.train().loss(make_batch(16, targets=targets))
    torch.autograd.backward(loss)
    assert {"y", "w", "v"} <= set(parts)
    again = extended(grown, tasks={"u": Regression()}).eval()
    assert torch.equal(again(batch)["v"].logits, grown.eval()(batch)["v"].logits)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_sharing_in_which_old_predictions_would_change_is_refused_by_name(name: str) -> None:
    with pytest.raises(TypeError, match=rf"'{name}' cannot take another task: '.*' has the shape"):
        extended(trained(name), tasks={"w": MultiLabel(2)})


def test_ple_of_one_level_is_extended() -> None:
    model = make_model("gated", {"y": Classification(3)}, sharing=create_sharing("ple", levels=1)).eval()
    grown, batch = extended(model, tasks={"z": Regression()}), make_batch(8)
    assert torch.equal(grown(batch)["y"].logits, model(batch)["y"].logits)


def test_a_sharing_that_changes_the_old_predictions_without_a_tensor_is_refused() -> None:
    @register_sharing("halves")
    class Halves(Sharing):
        def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Any) -> None:
            self.out_dim, self.count = in_dim, len(tasks)

        def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
            return dict.fromkeys(tasks, fused / self.count)

    try:
        model = make_model("gated", {"y": Classification(3)}, sharing=Halves())
        with pytest.raises(
            TypeError, match=r"sharing 'halves' cannot take another task: the predictions of \['y'\]"
        ):
            extended(model, tasks={"z": Regression()})
    finally:
        SHARINGS._classes.pop("halves")


@pytest.mark.parametrize("name", list_weightings())
def test_what_a_weighting_keeps_stays_with_its_task(name: str) -> None:
    """State by task of a model with a task that is not weighted in the middle, which takes no place."""
    tasks = {"y": Classification(3), "same": Consistency(of="y", teacher="a", student="b", weighted=False)}
    tasks |= {"z": Regression()}
    model = make_model("gated", tasks, weighting=create_weighting(name))
    for buffer in (*model.weighting.buffers(), *model.weighting.parameters()):
        with torch.no_grad():
            buffer.copy_((torch.rand(buffer.shape) + 1).to(buffer.dtype))
    grown = extended(
        model, tasks={"same2": Consistency(of="y", teacher="a", student="b", weighted=False)} | new_tasks()
    )
    fresh = make_model("gated", {**tasks, **new_tasks()}, weighting=create_weighting(name))
    before, after, plain = (m.weighting.state_dict() for m in (model, grown, fresh))
    assert after.keys() == plain.keys()
    for key, value in after.items():
        assert value.shape == plain[key].shape
        if key not in before:
            assert torch.equal(value, plain[key])
        elif value.dim() == 0:
            assert torch.equal(value, before[key])
        else:
            assert torch.equal(value, torch.cat([before[key], plain[key][len(before[key]) :]]))


@pytest.mark.parametrize("name", [n for n in list_balancings() if n != "debiasing"])  # it keeps nothing
def test_what_a_balancing_keeps_stays_with_its_pair_of_tasks(name: str) -> None:
    model, balancing = trained(), create_balancing(name)
    Learner(model, balancing=balancing)
    before = {k: v.copy_(torch.rand_like(v)).clone() for k, v in balancing.state_dict().items()}
    grown = extended(model, tasks=new_tasks())
    again = extended_balancing(balancing, model, grown)
    assert again is not balancing
    assert again.config == balancing.config
    assert type(again) is BALANCINGS.get(name)
    fresh = create_balancing(name)
    Learner(grown, balancing=fresh)
    for key, value in fresh.state_dict().items():
        assert again.state_dict()[key].shape == value.shape
        old = before[key]
        expected = value.clone()
        expected[tuple(slice(size) for size in old.shape)] = old
        assert torch.equal(again.state_dict()[key], expected)
        assert torch.equal(balancing.state_dict()[key], old)


@pytest.mark.parametrize("fusion", ["early_concat", "mean_probability", "mmtm", "dynamic"])
def test_fusions_of_every_stage_are_extended_and_saved(fusion: str, tmp_path: Path) -> None:
    model = make_model(fusion, {"y": Classification(3)}).eval()
    grown, batch = extended(model, tasks={"z": Classification(2)}).eval(), make_batch(8)
    assert torch.equal(grown(batch)["y"].logits, model(batch)["y"].logits)
    grown.save_pretrained(tmp_path / "grown")
    loaded = MultiTaskModel.from_pretrained(tmp_path / "grown").eval()
    assert all(torch.equal(out.logits, loaded(batch)[t].logits) for t, out in grown(batch).items())


def test_nested_fusions_are_extended() -> None:
    from sennit.fusion import FusedEncoder

    pair = make_encoders(("table", "image"))
    inner = FusedEncoder(pair, create_fusion("gated", pair, embed_dim=8))
    outer = {"both": inner, **make_encoders(("series",))}
    model = MultiTaskModel(
        encoders=outer, fusion=create_fusion("concat", outer, embed_dim=8), tasks={"y": Classification(3)}
    ).eval()
    grown, batch = extended(model, tasks={"z": Regression()}), make_batch(8, ("table", "image", "series"))
    assert torch.equal(grown(batch)["y"].logits, model(batch)["y"].logits)


def test_mixing_networks_read_the_new_one_with_weight_zero_at_first() -> None:
    model = trained("cross_stitch")
    grown = extended(model, tasks={"w": MultiLabel(2)})
    for stage, matrix in grown.sharing.mixing().items():  # type: ignore[operator]
        assert torch.equal(matrix[:2, :2], model.sharing.mixing()[stage])  # type: ignore[operator]
        assert bool((matrix[:2, 2] == 0).all())
        assert float(matrix[2, 2]) == pytest.approx(0.8)
    first, last = grown.columns[0], grown.columns[2]
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), last.parameters(), strict=True))


def test_what_was_frozen_stays_frozen() -> None:
    model = trained()
    Learner(model, freeze=("table", "heads.y"))
    grown = extended(model, tasks={"w": MultiLabel(2)})
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen
    assert {name for name, p in grown.named_parameters() if not p.requires_grad} == frozen


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, r"`tasks` should hold new tasks, one or more.*Found none"),
        ({"y": Classification(3)}, r"Found \['y'\], beside \['y', 'same', 'z'\]"),
        ({"n": Consistency(of="x", teacher="a", student="b")}, r"'x'"),
    ],
)
def test_wrong_tasks_are_refused(tasks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extended(trained(), tasks=tasks)
