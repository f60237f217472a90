"""Ladder networks: noise between the stages, the lateral decoder, the costs of the stages."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from sennit.data import Batch
from sennit.encoders import create_encoder
from sennit.encoders.noise import noisy, with_noise
from sennit.tasks import Classification, Ladder, MultiTaskModel, create_balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.consistency.ladder import Combinator, channels_last, stage_costs
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.prepare import prepare
from sennit.testing.gradients import backward
from tests.parts import make_batch, make_model

MODALITIES = ("table", "series", "image")


def make(modality: str, fusion: str = "concat", **options: Any) -> MultiTaskModel:
    tasks = {
        "y": Classification(3, view="noisy", answers=True),
        "ladder": Ladder(modality, **options),
    }
    return make_model(fusion, tasks, modalities=MODALITIES)


def batch_of(size: int = 10) -> Batch:
    return make_batch(size, MODALITIES)


def test_the_combinator_is_that_of_the_paper() -> None:
    combinator = Combinator(2).double()
    torch.nn.init.normal_(combinator.a)
    noisy_value, u = torch.randn(3, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    found = combinator(noisy_value, u)
    for row in range(3):
        for unit in range(2):
            a = [math.nan, *combinator.a.detach()[:, unit].tolist()]
            x, top = float(noisy_value[row, unit]), float(u[row, unit])
            mean = a[1] / (1 + math.exp(-(a[2] * top + a[3]))) + a[4] * top + a[5]
            slope = a[6] / (1 + math.exp(-(a[7] * top + a[8]))) + a[9] * top + a[10]
            assert found[row, unit].item() == pytest.approx((x - mean) * slope + mean, rel=1e-10)


def test_the_cost_of_a_stage_by_hand() -> None:
    """Over valid places of samples that count; the others change nothing."""
    estimate, clean = torch.randn(4, 5, 3), torch.randn(4, 5, 3)
    mask = torch.arange(5) < torch.tensor([5, 3, 1, 4]).unsqueeze(1)
    counted = torch.tensor([True, True, False, True])
    places = [(b, t) for b in (0, 1, 3) for t in range(5) if mask[b, t]]
    variances = []
    for unit in range(3):
        values = [float(clean[b, t, unit].double()) for b, t in places]
        mean = sum(values) / len(values)
        variances.append(sum((v - mean) ** 2 for v in values) / len(values))
    floor = 0.01 * sum(variances) / 3
    found = stage_costs(estimate, clean, mask, counted)
    for row in (0, 1, 3):
        errors = [
            float(estimate[row, t, u].double() - clean[row, t, u].double()) ** 2 / (variances[u] + floor)
            for t in range(5)
            if mask[row, t]
            for u in range(3)
        ]
        assert float(found[row]) == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_noise_has_a_share_of_the_deviation_of_each_channel_and_padding_has_none() -> None:
    scale = torch.tensor([1.0, 10.0, 0.0])
    x, mask = 3 + scale * torch.randn(500, 6, 3), torch.rand(500, 6) > 0.5
    added = with_noise(x, mask, 0.3) - x
    assert not bool(added[~mask].any())
    torch.testing.assert_close(added[mask].std(0), 0.3 * scale, rtol=0.1, atol=1e-6)
    image = x.movedim(-1, 1).reshape(500, 3, 3, 2)
    torch.testing.assert_close(
        (with_noise(image, None, 0.3) - image).std((0, 2, 3)), 0.3 * scale, rtol=0.1, atol=1e-6
    )


@pytest.mark.parametrize("name", ["tcn", "conv", "mlp"])
def test_noise_is_between_the_stages_and_leaves_nothing_behind(name: str) -> None:
    encoder: Any = {
        "tcn": lambda: create_encoder("tcn", 2, width=64, depth=2, dropout=0.0),
        "conv": lambda: create_encoder("conv", 1, widths=(64, 32)),
        "mlp": lambda: create_encoder("mlp", 3, width=64, dropout=0.0),
    }[name]()
    x = {"tcn": torch.randn(6, 9, 2), "conv": torch.randn(6, 1, 16, 16), "mlp": torch.randn(6, 3)}[name]
    mask = torch.arange(9) < torch.tensor([9, 3, 1, 4, 5, 6]).unsqueeze(1) if name == "tcn" else None
    with noisy(encoder, 0.5):
        first = encoder(x, mask).taps[encoder.tap_info[0].name]
    hidden, valid = encoder.stem(x, mask)
    assert not encoder.stages[0]._forward_hooks
    clean = encoder.run_stage(0, hidden, valid)[0]
    assert bool((first != clean).any())
    if mask is not None:
        assert torch.equal(encoder(x, mask).tokens, encoder(x, mask).tokens), "no noise is left behind"
    with noisy(encoder, 1e-9):
        torch.testing.assert_close(encoder(x, mask).pooled, encoder(x, mask).pooled)


@pytest.mark.parametrize("fusion", ["concat", "mmtm"])
@pytest.mark.parametrize("modality", MODALITIES)
def test_every_layout_of_stages_with_missing_modalities(modality: str, fusion: str) -> None:
    """The loss is the weighted sum of the stages' costs, and absent rows reach nothing."""
    model, batch = make(modality, fusion, weights=0.5), batch_of()
    task = model.tasks["ladder"]
    model.eval()
    torch.manual_seed(1)
    prepared = prepare(model, batch)
    _, parts = model.loss(prepared)
    torch.manual_seed(1)
    views = {
        v: model.features(prepared.batches[0].views[v] if v else batch, ("ladder",)) for v in ("", "noisy")
    }
    clean, dirty = (views[v].sources["ladder"] for v in ("", "noisy"))
    assert any(not torch.equal(clean[tap], dirty[tap]) for tap in clean)
    estimates = task.decoder(dirty)
    present = batch.present[modality]
    expected = sum(
        0.5
        * stage_costs(
            estimates[tap.name],
            channels_last(clean[tap.name], tap),
            views[""].source_masks["ladder"].get(tap.name),
            present,
        )[present].mean()
        for tap in task.taps
    )
    assert expected > 0
    torch.testing.assert_close(parts["ladder"], expected.detach(), rtol=1e-4, atol=1e-6)
    spoiled = batch.inputs[modality].clone()
    spoiled[~present] = 7.0
    results = []
    for x in (batch.inputs[modality], spoiled):
        torch.manual_seed(3)
        results.append(backward(model, batch.replaced(inputs={**batch.inputs, modality: x})))
    for name, gradient in results[0].items():
        torch.testing.assert_close(results[1][name], gradient, msg=name)
    reached = results[0]
    assert any(
        bool(g.any()) for n, g in reached.items() if n.startswith("tasks.m_ladder.decoder") and g is not None
    )


def test_a_gradient_passes_through_the_clean_stages() -> None:
    model, batch = make("table"), batch_of()
    inputs = {m: x.clone().requires_grad_() for m, x in batch.inputs.items()}
    changed = batch.replaced(inputs=inputs, targets={}, labelled={}, unlabelled=frozenset())
    prepared = prepare(model, changed)
    apart = {m: x.detach().clone() for m, x in inputs.items()}
    view = prepared.batches[0].views["noisy"].replaced(inputs=apart)
    model.loss(changed.with_views(noisy=view))[0].backward()
    gradient = inputs["table"].grad
    assert gradient is not None
    assert bool(gradient.any())


def test_a_batch_without_two_samples_is_inactive_and_balancing_sees_the_task() -> None:
    model, batch = make("table"), batch_of()
    one = batch.replaced(
        present={**batch.present, "table": torch.arange(10) < 1, "series": torch.ones(10) > 0}
    )
    assert active_tasks(model, prepare(model, one).batches) == (True, False)
    _, parts = balanced_loss(model, create_balancing("pcgrad", level="parameters"), batch)
    assert min(float(parts[f"weight/{task}"]) for task in ("y", "ladder")) > 0.99


def test_answers_come_from_clean_inputs() -> None:
    model, batch = make("table").eval(), batch_of()
    assert model.answering == ("y",)
    torch.testing.assert_close(model(batch)["y"].logits, model(batch)["y"].logits)


def test_what_cannot_work_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="one for each stage"):
        make("table", weights=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="`noise` should be above 0"):
        Ladder("table", noise=0.0)
    with pytest.raises(ValueError, match="`sources` should not be given"):
        Ladder("table", sources={})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'early_concat' is early"):
        make("table", "early_concat")
    encoders = {"it": create_encoder("timm/test_resnet", in_chans=1)}
    with pytest.raises(TypeError, match="with stages, between which to add noise"):
        Ladder("it").on_build("ladder", encoders)
