"""Ramps and reversals: gradients behind the weighting, adversaries that are not weighted."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sennit.data import Batch, BatchDataset
from sennit.ramp import FINISHED, Progress, Ramp
from sennit.tasks import (
    Classification,
    Learner,
    MultiTaskModel,
    Regression,
    create_balancing,
    create_weighting,
    fit,
    list_balancings,
    list_weightings,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_model

KEEPING = [name for name in list_weightings() if name != "gradnorm"]


def make(weighting: str = "equal", **options: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    tasks = {"y": Classification(3), "z": Regression(**options)}
    weighted = {name for name, task in tasks.items() if task.weighted}
    weights = {"weights": dict.fromkeys(weighted, 2.0)} if weighting == "fixed" else {}
    return make_model("gated", tasks, weighting=create_weighting(weighting, **weights))


def batch() -> Batch:
    torch.manual_seed(1)
    return make_batch(8, missing=False, targets={"y": torch.arange(8) % 3, "z": torch.randn(8, 1)})


def trunk(model: MultiTaskModel, loss: Tensor) -> Tensor:
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.columns.parameters() if p.grad is not None])


@pytest.mark.parametrize("weighting", KEEPING)
def test_a_ramp_scales_the_gradient_under_every_weighting(weighting: str) -> None:
    """Multiplied into the loss, it is cancelled by six of the ten: a ratio of 1 at a ramp of .01."""
    none, some, whole = (
        trunk(model, model.loss(batch())[0])
        for model in (make(weighting, gradient_scale=scale) for scale in (0.0, 0.01, 1.0))
    )
    assert bool((whole - none).abs().max() > 1e-4)
    torch.testing.assert_close(some, none + 0.01 * (whole - none), atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("balancing", [name for name in list_balancings() if name != "debiasing"])
def test_a_ramp_scales_the_gradient_behind_every_balancing(balancing: str) -> None:
    weights = []
    for scale in (0.01, 1.0):
        torch.manual_seed(2)
        model = make(gradient_scale=scale)
        rule = create_balancing(balancing)
        rule.bind(list(model.tasks))
        _, parts = balanced_loss(model, rule, batch())
        weights.append(torch.stack([parts["weight/y"], parts["weight/z"]]))
    torch.testing.assert_close(*weights, atol=1e-3, rtol=1e-3)


def test_gradnorm_which_equalises_gradients_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"'z' has a `gradient_scale`, which weighting 'gradnorm' would undo"):
        make("gradnorm", gradient_scale=Ramp("linear", steps=10))


def test_the_loss_keeps_its_value() -> None:
    for scale in (0.0, 0.5, 1.0):
        model = make(gradient_scale=scale)
        torch.testing.assert_close(model.loss(batch())[1]["z"], make().loss(batch())[1]["z"])


def test_the_curves_of_the_papers() -> None:
    assert Ramp("gaussian", steps=80)(Progress(0, 1000)) == pytest.approx(0.006737947)
    assert Ramp("gaussian", steps=80)(Progress(40, 1000)) == pytest.approx(0.2865048)
    assert Ramp("dann", share=1.0, end=-1.0)(Progress(50, 100)) == pytest.approx(-0.9866143)
    assert Ramp("cosine", share=0.5)(Progress(25, 100)) == pytest.approx(0.5)
    assert Ramp("linear", steps=10, start=2.0, end=1.0)(FINISHED) == 1.0


@pytest.mark.parametrize(
    "options",
    [{}, {"steps": 3, "share": 0.1}, {"steps": 0}, {"share": 1.5}, {"curve": "sigmoid", "steps": 1}],
)
def test_wrong_ramps_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a ramp should have `steps`|curve of a ramp 'sigmoid'"):
        Ramp(**options)


def test_a_ramp_follows_the_steps_of_a_training(tmp_path: Any) -> None:
    seen: list[float] = []
    ramp = Ramp("linear", share=1.0)

    class Watching(Regression):
        def render(self, name: str, batches: list[Batch], network: Any) -> list[Batch]:
            seen.append(ramp(network.progress))
            return batches

    model = make_model("gated", {"y": Classification(3), "z": Watching()})
    data = BatchDataset(batch())
    loader = DataLoader(data, batch_size=4, collate_fn=data.collate)
    fit(Learner(model), loader, epochs=2, accelerator="cpu", progress=False)
    assert seen == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("weighting", KEEPING)
def test_an_adversary_reverses_its_gradient_and_is_not_weighted(weighting: str) -> None:
    plain, adversary = make(weighted=False), make(weighting, reversal=-1.0)
    data = batch()
    only = data.replaced(targets={"z": data.targets["z"]}, labelled={"z": data.labelled["z"]})
    assert adversary.tasks["z"].weighted is False
    forwards, backwards = trunk(plain, plain.loss(only)[0]), trunk(adversary, adversary.loss(only)[0])
    torch.testing.assert_close(backwards, -forwards)
    for p, q in zip(plain.heads["z"].parameters(), adversary.heads["z"].parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


@pytest.mark.parametrize("level", ["features", "parameters"])
def test_a_task_that_is_not_weighted_is_added_behind_the_balancing(level: Any) -> None:
    data = batch()
    alone = data.replaced(targets={"y": data.targets["y"]}, labelled={"y": data.labelled["y"]})
    other = data.replaced(targets={"z": data.targets["z"]}, labelled={"z": data.labelled["z"]})
    model = make(reversal=-0.5)
    expected = trunk(model, model.loss(alone)[0]) + trunk(model, model.loss(other)[0])
    rule = create_balancing("mgda", level=level)
    loss, parts = balanced_loss(model, rule, data)
    torch.testing.assert_close(trunk(model, loss), expected)
    assert {k for k in parts if k.startswith("weight/")} == {"weight/y"}
    loss, parts = balanced_loss(model, rule, other)
    torch.testing.assert_close(trunk(model, loss), trunk(model, model.loss(other)[0]))


def test_a_weighted_adversary_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`weighted` should be False for an adversary"):
        Regression(reversal=-1.0, weighted=True)
    with pytest.raises(ValueError, match=r"`gradient_scale` should be 0 or more. Found -1"):
        Regression(gradient_scale=-1.0)


def test_modality_dropout_is_drawn_once_a_batch() -> None:
    model = make_model("gated", {"y": Classification(3)}, modality_dropout=0.5).train()
    data = make_batch(200, missing=False)
    other = make_batch(200, missing=False, targets={})
    views = {
        "same": other,
        "own": other.replaced(shares_presence=False),
        "twice": other.select(torch.arange(200).repeat(2)).replaced(rows=torch.arange(200).repeat(2)),
        "table": other.restrict(("table",)),
    }
    (step,) = prepare(model, data.with_views(**views)).batches
    hidden = step.present["table"]
    assert 0 < int(hidden.sum()) < 200
    assert bool((step.views["same"].present["table"] == hidden).all())
    assert bool((step.views["twice"].present["table"] == hidden.repeat(2)).all())
    assert bool((step.views["own"].present["table"] != hidden).any())
    assert bool(step.views["table"].present["table"].all())  # a row is never left without what it had
    assert not bool(step.views["table"].present["series"].any())
    assert bool(step.observed["table"].all())
    assert prepare(model, step).batches[0] is not step  # a batch is prepared anew, a prepared step is not
    prepared = prepare(model, data)
    assert prepare(model, prepared) is prepared
