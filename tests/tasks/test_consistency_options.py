"""Pi-model, UDA, FixMatch, pseudo-labels and entropy minimisation against float64 loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from sennit.ramp import Progress, Ramp
from sennit.tasks import (
    Classification,
    Consistency,
    EntropyMinimisation,
    MultiLabel,
    MultiTaskModel,
    PseudoLabel,
    Regression,
    Task,
)
from sennit.tasks.model.losses import training_features
from sennit.tasks.model.prepare import prepare
from tests.parts import make_batch, make_model, make_view

MODALITIES = ("table", "series")


def make(task: Task, of: Task | None = None, fusion: str = "gated") -> MultiTaskModel:
    model = make_model(fusion, {"y": of or Classification(3), "u": task}).eval()
    for head in model.heads["y"]:
        head.weight.data.mul_(8)  # so that the outputs differ, and some are confident
    return model


def views(size: int = 12, **more: Any) -> Any:
    batch = make_batch(size, targets={})
    weak, strong = (make_view(size, MODALITIES, missing=False) for _ in range(2))
    return batch.with_views(weak=weak, strong=strong)


def logits(model: MultiTaskModel, batch: Any) -> tuple[list[list[float]], list[list[float]]]:
    weak, strong = (model(batch.views[v])["y"].logits.double().tolist() for v in ("weak", "strong"))
    return weak, strong


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp(x / temperature) for x in row]
    return [x / sum(powers) for x in powers]


def loss_of(model: MultiTaskModel, batch: Any) -> float:
    return model.loss(batch)[0].item()


def test_no_graph_is_kept_for_a_teachers_view(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(Consistency(of="y", teacher="weak", student="strong", threshold=0.3, hard=True))
    batch = views()
    features = training_features(model, batch, (True, True))
    assert {name: f.by_task["u"].requires_grad for name, f in features.items()} == {
        "weak": False,
        "strong": True,
    }
    gradients = []
    for _ in range(2):
        model.zero_grad()
        model.loss(batch)[0].backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
        monkeypatch.setattr(Consistency, "detached_views_of", lambda self, name: ())
    assert gradients[0].keys() == gradients[1].keys()
    torch.testing.assert_close(*gradients)


def test_uda_sharpens_the_teacher_and_counts_by_its_unsharpened_confidence() -> None:
    """Three peers sharpen the student, or nothing at all."""
    model = make(Consistency(of="y", teacher="weak", student="strong", sharpen=0.4, threshold=0.5))
    batch = views()
    losses, kept = [], 0
    for t, s in zip(*logits(model, batch), strict=True):
        sharp, q = softmax(t, 0.4), softmax(s)
        counts = max(softmax(t)) >= 0.5
        kept += counts
        losses.append(counts * sum(a * math.log(a / b) for a, b in zip(sharp, q, strict=True)))
    assert 0 < kept < 12
    assert loss_of(model, batch) == pytest.approx(sum(losses) / 12, abs=1e-5)


def test_fixmatch_takes_the_teachers_label_and_divides_by_all_samples() -> None:
    model = make(Consistency(of="y", teacher="weak", student="strong", hard=True, threshold=0.5))
    batch = views()
    losses = [
        -math.log(softmax(s)[t.index(max(t))]) if max(softmax(t)) >= 0.5 else 0.0
        for t, s in zip(*logits(model, batch), strict=True)
    ]
    assert 0 < sum(x > 0 for x in losses) < 12
    assert loss_of(model, batch) == pytest.approx(sum(losses) / 12, abs=1e-5)


def test_the_pi_model_learns_through_both_views() -> None:
    both = Consistency(of="y", teacher="weak", student="strong", distance="squared", gradient="both")
    model, batch = make(both), views()
    expected = sum(
        sum((a - b) ** 2 for a, b in zip(softmax(t), softmax(s), strict=True)) / 3
        for t, s in zip(*logits(model, batch), strict=True)
    )
    assert loss_of(model, batch) == pytest.approx(expected / 12, abs=1e-6)
    student = Consistency(of="y", teacher="weak", student="strong", distance="squared")
    for task, learns in ((both, True), (student, False)):
        model = make(task)
        inputs = {m: x.clone().requires_grad_() for m, x in batch.views["weak"].inputs.items()}
        model.loss(batch.with_views(weak=batch.views["weak"].replaced(inputs=inputs)))[0].backward()
        assert all((x.grad is not None and bool(x.grad.any())) == learns for x in inputs.values())


@pytest.mark.parametrize("of", [MultiLabel(2), Regression(2), Classification(3)])
@pytest.mark.parametrize("fusion", ["gated", "product_of_experts", "mean_probability"])
@pytest.mark.parametrize(
    "options", [{}, {"distance": "squared"}, {"hard": True, "threshold": 0.4}, {"sharpen": 0.5}]
)
def test_every_kind_of_target_and_fusion(of: Task, fusion: str, options: dict[str, Any]) -> None:
    task = Consistency(of="y", teacher="weak", student="strong", **options)
    if of.kind == "regression" and {"hard", "sharpen"} & options.keys():
        with pytest.raises(TypeError, match="needs its pseudo_label, which a regression does not have"):
            make(task, of, fusion)
        return
    model, batch = make(task, of, fusion), views()
    loss = model.loss(batch)[0]
    loss.backward()
    assert bool(loss.isfinite())
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


def test_a_students_view_with_several_rows_of_a_sample() -> None:
    model, batch = make(Consistency(of="y", teacher="", student="strong")), make_batch(4, targets={})
    rows = torch.tensor([2, 0, 0, 3, 1, 1])
    strong = make_view(6, MODALITIES, missing=False).replaced(rows=rows)
    batch = batch.with_views(strong=strong)
    teacher, student = model(batch)["y"].logits[rows], model(strong)["y"].logits
    torch.testing.assert_close(model.loss(batch)[0], model.tasks["y"].divergence(teacher, student).mean())


def test_pseudo_labels_and_entropy() -> None:
    batch = make_batch(12, targets={})
    model = make(PseudoLabel(of="y", threshold=0.5))
    p = model(batch)["y"].logits.softmax(-1).amax(-1)
    expected = torch.where(p >= 0.5, -p.log(), 0.0).mean()
    torch.testing.assert_close(model.loss(batch)[0], expected)
    model = make(EntropyMinimisation(of="y"))
    q = model(batch)["y"].logits.softmax(-1)
    torch.testing.assert_close(model.loss(batch)[0], -(q * q.log()).sum(-1).mean())
    for make_task in (PseudoLabel, EntropyMinimisation):
        with pytest.raises(TypeError, match="which a regression does not have"):
            make(make_task(of="y"), Regression())


def test_annealing_averages_over_the_samples_that_it_keeps() -> None:
    """A peer averages over the whole batch, so that its learning rate rises as samples are released."""
    ramp = Ramp("linear", steps=100, start=1 / 3, end=1.0)
    model = make(PseudoLabel(of="y", loaders=("none",)), Classification(3, annealing=ramp)).train()
    batch = make_batch(12)
    p = model(batch)["y"].logits.detach().softmax(-1).gather(1, batch.targets["y"][:, None]).squeeze(1)
    for step in (0, 20, 100):
        loss = model.loss(prepare(model, batch, progress=Progress(step, 200)))[0]
        kept = p <= ramp(Progress(step, 200))
        assert int(kept.sum()) > 0
        assert bool(kept.all()) == (step > 20)
        torch.testing.assert_close(loss, -p[kept].log().mean())
    model.eval()
    loss = model.loss(prepare(model, batch, progress=Progress(0, 200)))[0]
    torch.testing.assert_close(loss, -p.log().mean())


def test_annealing_of_soft_targets_and_without_a_kept_sample() -> None:
    task = Classification(3, annealing=0.0)
    model = make(PseudoLabel(of="y", loaders=("none",)), task).train()
    soft = make_batch(6, targets={"y": torch.rand(6, 3)})
    loss = model.loss(soft)[0]
    loss.backward()
    assert loss.item() == 0


def test_options_that_exclude_each_other_are_refused() -> None:
    def refused(match: str, **options: Any) -> None:
        with pytest.raises(ValueError, match=match):
            Consistency(**{"of": "y", "teacher": "a", "student": "b", **options})

    refused("`teacher` and `student` should be two views", student="a")
    refused("`sharpen` should be above 0 and at most 1", sharpen=2.0)
    refused("a `hard` target should leave", hard=True, sharpen=0.5)
    refused("`gradient='both'` should go with", gradient="both")
    refused("unknown distance of a consistency 'square'", distance="square")
