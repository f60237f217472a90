"""The model as a whole: what it is given, what it refuses, what it returns."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sennit.data import Batch, View
from sennit.fusion import create_fusion, list_fusions
from sennit.tasks import (
    Classification,
    Consistency,
    CrossStitch,
    Hard,
    Learner,
    MultiLabel,
    MultiTaskModel,
    Regression,
    create_weighting,
)
from sennit.testing import fusion_kit
from sennit.testing.gradients import backward
from tests.parts import MODALITIES, make_batch, make_encoders, make_inputs, make_model, make_view

SIZE = 14


def tasks() -> dict:
    return {"y": Classification(3), "z": Regression(2), "w": MultiLabel(4)}


def full_batch() -> Batch:
    targets = {"y": torch.arange(SIZE) % 3, "z": torch.randn(SIZE, 2), "w": torch.ones(SIZE, 4)}
    return make_batch(SIZE, MODALITIES, targets=targets)


def make(fusion: str, **more: object) -> MultiTaskModel:
    return make_model(fusion, tasks(), modalities=MODALITIES, **more)


@pytest.mark.parametrize("fusion", list_fusions())
def test_outputs_of_every_task(fusion: str) -> None:
    model = make(fusion).eval()
    outputs = model(full_batch())
    decision = model.fused_encoder.fusion.stage == "decision"
    assert list(outputs) == ["y", "z", "w"]
    assert outputs["y"].logits.shape == (SIZE, 3)
    assert outputs["z"].logits.shape == (SIZE, 2)
    assert outputs["w"].logits.shape == ((SIZE, 4, 2) if decision else (SIZE, 4))
    for task, out in outputs.items():
        assert bool(out.logits.isfinite().all())
        assert (out.candidates is not None) == decision
        assert len(model.tasks[task].predict(out.logits)) == SIZE


@pytest.mark.parametrize("fusion", list_fusions())
def test_gradient_to_every_parameter(fusion: str) -> None:
    model = make(fusion)
    found = backward(model, full_batch())
    assert [n for n, g in found.items() if g is None or not bool(g.any())] == []
    fusion_kit.assert_finite_gradients(model)


@pytest.mark.parametrize("fusion", list_fusions())
def test_bf16_autocast(fusion: str) -> None:
    model, batch = make(fusion, weighting=create_weighting("uncertainty")).eval(), full_batch()
    exact = model.loss(batch)[0]
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch)[0]
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.05, atol=0.05)
    fusion_kit.assert_finite_gradients(model)


@pytest.mark.parametrize("fusion", list_fusions())
def test_each_subset_is_predicted_as_if_the_rest_did_not_exist(fusion: str) -> None:
    model, view = make(fusion).eval(), make_view(7, missing=False)
    for kept in (("table",), ("series", "image")):
        hidden = view.restrict(kept)
        inputs = {m: x if m in kept else torch.full_like(x, torch.nan) for m, x in view.inputs.items()}
        if "table" not in kept:
            inputs["table"] = torch.full_like(view.inputs["table"], torch.inf)
        outputs = model(hidden.replaced(inputs=inputs))
        for task, out in model(hidden).items():
            assert torch.equal(outputs[task].logits, out.logits)


def test_inputs_a_view_or_a_batch() -> None:
    model, inputs = make_model("gated").eval(), make_inputs(4, ("table", "series"))
    expected = model(inputs)["y"].logits
    for data in (View.of(inputs), Batch.of(inputs)):
        assert torch.equal(model(data)["y"].logits, expected)
    bad = {**inputs, "series": torch.full_like(inputs["series"], torch.nan)}
    with pytest.raises(ValueError, match=r"`inputs\['series'\]` should be finite where it is present"):
        model(bad)


def test_regression_under_a_decision_rule_is_the_mean_over_present_candidates() -> None:
    model, batch = make("multiplicative").eval(), full_batch()
    out = model(batch)["z"]
    for b in range(SIZE):
        there = torch.stack([batch.present[m][b] for m in MODALITIES])
        torch.testing.assert_close(out.logits[b], out.candidates[b][there].mean(0))


def test_a_decision_model_has_a_head_for_each_candidate_and_task() -> None:
    model, batch = make("mean_probability").eval(), full_batch()
    fused = model.fused_encoder(batch)
    assert {t: len(model.heads[t]) for t in model.tasks} == dict.fromkeys(model.tasks, 3)
    out = model(batch)["y"]
    for k in range(3):
        torch.testing.assert_close(out.candidates[:, k], model.heads["y"][k](fused.candidates[:, k]))
    torch.testing.assert_close(out.logits.exp().sum(1), torch.ones(SIZE))


def test_a_multilabel_decision_treats_each_label_as_two_alternatives() -> None:
    model, batch = make("mean_probability").eval(), full_batch()
    out = model(batch)["w"]
    p = out.candidates.sigmoid()
    for b in range(SIZE):
        there = torch.stack([batch.present[m][b] for m in MODALITIES])
        torch.testing.assert_close(out.logits[b, :, 1].exp(), p[b][there].mean(0))


def test_the_total_is_the_sum_of_its_parts() -> None:
    loss, parts = make("central_net").eval().loss(full_batch())
    assert set(parts) == {"y", "z", "w", "loss"}
    assert not any(v.requires_grad for v in parts.values())
    torch.testing.assert_close(loss, parts["y"] + parts["z"] + parts["w"])


def test_penalties_of_the_fusion_are_added_once() -> None:
    """A fusion's own losses, one value a sample, join the loss by their mean."""
    model, batch = make("gated"), full_batch()
    fusion, plain = model.fused_encoder.fusion, model.fused_encoder.fusion.forward
    without = model.loss(batch)[0]

    def with_penalty(outputs, present=None):
        out = plain(outputs, present)
        return type(out)(pooled=out.pooled, losses={"size": out.pooled.square().sum(1)})

    fusion.forward = with_penalty
    loss, parts = model.loss(batch)
    torch.testing.assert_close(loss, without + parts["penalty"])
    torch.testing.assert_close(parts["penalty"], model.fused_encoder(batch).losses["size"].mean())


@pytest.mark.parametrize("sharing", [Hard, CrossStitch])
def test_preprocessing_is_fitted_on_what_is_present(sharing: type) -> None:
    """In every column of encoders; what is absent or padding is left out."""
    model, batch = make("concat", sharing=sharing()), full_batch()
    spoiled = {
        m: torch.where(batch.present[m].reshape(-1, *[1] * (x.dim() - 1)), x, 1e6)
        for m, x in batch.inputs.items()
    }
    model.fit_preprocessing(batch.replaced(inputs=spoiled))
    for column in model.columns:
        assert all(column.leaves()[m] is e for m, e in column.encoders.items())
        table = batch.inputs["table"][batch.present["table"]]
        torch.testing.assert_close(column.encoders["table"].features.standardise.mean, table.double().mean(0))
        steps = batch.inputs["series"][batch.present["series"][:, None] & batch.masks["series"]]
        torch.testing.assert_close(column.encoders["series"].steps.standardise.mean, steps.mean(0))


def test_models_without_a_head_are_refused() -> None:
    encoders = make_encoders(("table",))
    fusion = create_fusion("gated", encoders)
    for none in ({}, {"same": Consistency(of="y", teacher="a", student="b")}):
        with pytest.raises(ValueError, match=r"at least one task with a head"):
            MultiTaskModel(encoders=encoders, fusion=fusion, tasks=none)


def test_determinism() -> None:
    model, batch = make("bottleneck", modality_dropout=0.3, dropout=0.2).train(), full_batch()
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        losses.append(model.loss(batch)[0])
    assert torch.equal(*losses)


@pytest.mark.parametrize("part", ["fusion", "sharing", "weighting", "balancing"])
def test_a_name_in_the_place_of_a_part_is_refused(part: str) -> None:
    encoders = make_encoders(("table",))
    parts: dict[str, Any] = {"fusion": create_fusion("concat", encoders)}

    def build() -> object:
        if part == "balancing":
            return Learner(make("concat"), balancing="some")  # type: ignore[arg-type]
        return MultiTaskModel(encoders=encoders, tasks=tasks(), **{**parts, part: "some"})

    says = rf"`{part}` should be a {part.title()}\. Found 'some'\. Give create_{part}\('some', \.\.\.\)"
    with pytest.raises(TypeError, match=says):
        build()
