"""Adversaries: domains that features should not show, and outputs that should not show a group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.data import Batch, BatchDataset, ResumableLoader
from sennit.ramp import Ramp
from sennit.tasks import (
    Classification,
    Debiasing,
    DomainAdversary,
    FeatureSource,
    Learner,
    MultiTaskModel,
    create_balancing,
    create_sharing,
    fit,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from tests.parts import make_batch, make_model


def domains(fusion: str = "gated", **options: Any) -> MultiTaskModel:
    torch.manual_seed(0)
    tasks = {"y": Classification(3), "domain": DomainAdversary(("source", "target"), **options)}
    return make_model(fusion, tasks)


def batches() -> dict[str, Batch]:
    torch.manual_seed(1)
    return {"source": make_batch(6), "target": make_batch(4, targets={})}


@pytest.mark.parametrize("fusion", ["gated", "mean_probability"])
def test_the_domain_is_that_of_the_loader(fusion: str) -> None:
    model, data = domains(fusion).eval(), batches()
    logits = torch.cat(
        [model.decode(model.features(b, ("domain",)), ("domain",))["domain"].logits for b in data.values()]
    )
    of_loader = torch.tensor([0] * 6 + [1] * 4)
    expected = F.cross_entropy(logits, of_loader)
    torch.testing.assert_close(model.loss(data)[1]["domain"], expected)
    assert list(model(data["source"])) == ["y"]


def test_the_ramp_is_the_published_one() -> None:
    """The peers count their own steps, so that a resumed run starts the ramp anew."""
    task = DomainAdversary(("a", "b"))
    assert task.reversal == Ramp("dann", share=1.0, end=-1.0)
    assert DomainAdversary(("a", "b"), reversal=-0.3).reversal == -0.3
    again = type(task)(**{k: v for k, v in task.config.items() if k != "name"})
    assert again.reversal == task.reversal


def test_encoders_get_the_reversed_gradient_and_the_head_its_own() -> None:
    data = batches()
    of_both = {}
    for reversal in (1.0, -0.7):
        model = domains(reversal=reversal, weighted=False)
        loss, _ = model.loss({"target": data["target"]})
        loss.backward()
        of_both[reversal] = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    for name, g in of_both[1.0].items():
        factor = 1.0 if name.startswith("heads") else -0.7
        torch.testing.assert_close(of_both[-0.7][name], factor * g)


def test_a_private_copy_of_the_encoders_is_refused() -> None:
    tasks = {"y": Classification(3), "domain": DomainAdversary(("source", "target"))}
    with pytest.raises(TypeError, match=r"'domain' would train encoders of its own.*'soft_l2'.*through='y'"):
        make_model("gated", tasks, sharing=create_sharing("soft_l2"))
    tasks["domain"] = DomainAdversary(("source", "target"), through="y")
    make_model("gated", tasks, sharing=create_sharing("soft_l2")).loss(batches())


def biased(alpha: float = 1.0, level: Any = "features") -> tuple[MultiTaskModel, Debiasing, Batch]:
    torch.manual_seed(0)
    adversary = Classification(2, sources=FeatureSource("output", of="y"), weighted=False, answers=False)
    model = make_model("gated", {"y": Classification(3), "a": adversary})
    rule = Debiasing({"a": "y"}, alpha=alpha, level=level)
    rule.bind(["y", "a"])
    targets = {"y": torch.arange(8) % 3, "a": torch.arange(8) % 2}
    return model, rule, make_batch(8, missing=False, targets=targets)


def flat(model: MultiTaskModel, loss: Tensor) -> Tensor:
    model.zero_grad()
    loss.backward(retain_graph=True)
    parameters = [p for n, p in model.named_parameters() if n.startswith("columns")]
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in parameters])


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_the_update_is_the_projection_of_the_paper(alpha: float) -> None:
    """``g_p − proj_{g_a} g_p − α g_a`` over the shared parameters, by an independent computation."""
    model, rule, data = biased(alpha, "parameters")
    of_task = {}
    for task in ("y", "a"):
        only = data.replaced(targets={task: data.targets[task]}, labelled={task: data.labelled[task]})
        of_task[task] = flat(model, model.loss(only)[0]).double()
    g_p, g_a = of_task["y"], of_task["a"]
    expected = g_p - (g_p @ g_a) / (g_a @ g_a) * g_a - alpha * g_a
    found = flat(model, balanced_loss(model, rule, data)[0]).double()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)
    assert abs(float(found @ g_a + alpha * (g_a @ g_a))) < 1e-5


def test_heads_get_their_own_gradients() -> None:
    model, rule, data = biased()
    plain = {}
    for task in ("y", "a"):
        only = data.replaced(targets={task: data.targets[task]}, labelled={task: data.labelled[task]})
        model.zero_grad()
        model.loss(only)[0].backward()
        plain[task] = [p.grad.clone() for p in model.heads[task].parameters()]
    model.zero_grad()
    balanced_loss(model, rule, data)[0].backward()
    for task, gradients in plain.items():
        for p, g in zip(model.heads[task].parameters(), gradients, strict=True):
            torch.testing.assert_close(p.grad, g)


def test_wrong_adversaries_are_refused() -> None:
    with pytest.raises(ValueError, match=r"task in `adversaries` 'b'"):
        Debiasing({"b": "y"}).bind(["y", "a"])
    with pytest.raises(ValueError, match=r"`adversaries` should name at least one"):
        Debiasing({})
    with pytest.raises(ValueError, match=r"`alpha` should be 0 or more. Found -1"):
        create_balancing("debiasing", adversaries={"a": "y"}, alpha=-1)


def against_domains() -> tuple[Learner, dict[str, Batch]]:
    return Learner(domains(), lr=0.01), batches()


def debiased() -> tuple[Learner, dict[str, Batch]]:
    model, rule, data = biased()
    return Learner(model, lr=0.01, balancing=rule), {"all": data}


@pytest.mark.parametrize("make", [against_domains, debiased])
def test_a_killed_training_against_an_adversary_ends_with_the_same_weights(
    tmp_path: Path, make: Callable[[], tuple[Learner, dict[str, Batch]]]
) -> None:
    def learner() -> Learner:
        return make()[0]

    def loaders() -> dict[str, ResumableLoader]:
        data = {name: BatchDataset(b) for name, b in make()[1].items()}
        return {
            name: ResumableLoader(d, batch_size=2, collate_fn=d.collate, seed=3) for name, d in data.items()
        }

    quiet: dict[str, Any] = {"accelerator": "cpu", "progress": False, "checkpoint_every": 1}
    whole, killed = learner(), learner()
    fit(whole, loaders(), folder=tmp_path / "whole", epochs=4, **quiet)

    class Kill(Exception):
        pass

    count = 0

    def stop(*args: Any) -> None:
        nonlocal count
        count += 1
        if count == 6:
            raise Kill

    hook = killed.model.columns[0].register_forward_pre_hook(stop)
    killed.model.fused_encoder.encoders["table"].register_forward_pre_hook(stop)
    with pytest.raises(Kill):
        fit(killed, loaders(), folder=tmp_path / "killed", epochs=4, **quiet)
    hook.remove()
    resumed = learner()
    fit(resumed, loaders(), folder=tmp_path / "killed", epochs=4, resume=True, **quiet)
    for (name, p), q in zip(whole.model.named_parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(p, q), name
