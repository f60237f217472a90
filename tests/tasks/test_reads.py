"""A task that reads one modality sees nothing of the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sennit.data import Batch
from sennit.fusion import FusedEncoder, create_fusion, list_fusions
from sennit.tasks import (
    Classification,
    CrossStitch,
    FeatureSource,
    MultiTaskModel,
    Regression,
    create_weighting,
)
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.losses import task_losses, training_features
from sennit.tasks.model.prepare import prepare
from tests.parts import MODALITIES, make_batch, make_encoders, make_model

SIZE = 14
TARGETS = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}
INNER = [n for n in list_fusions() if n not in list_fusions(stage="decision")]


def tasks(reads: tuple[str, ...] = ("table",)):
    return {"y": Classification(3), "z": Regression(reads=reads)}


def nested(inner: str) -> MultiTaskModel:
    pair = make_encoders(("table", "series"))
    trio = {
        "pair": FusedEncoder(pair, create_fusion(inner, pair, embed_dim=8)),
        **make_encoders(("image",)),
    }
    fusion = create_fusion("bottleneck", trio, embed_dim=8)
    return MultiTaskModel(encoders=trio, fusion=fusion, tasks=tasks(), modality_dropout=0)


MODELS = {
    name: (lambda name=name: make_model(name, tasks(), modalities=MODALITIES)) for name in list_fusions()
}
MODELS |= {f"bottleneck of {inner}": (lambda inner=inner: nested(inner)) for inner in INNER}
MODELS["cross_stitch"] = lambda: make_model(
    "bottleneck", tasks(), modalities=MODALITIES, sharing=CrossStitch()
)


def batches() -> tuple[Batch, Batch]:
    """Two batches with the same table, of which all else differs, even what is there."""
    one, other = make_batch(SIZE, MODALITIES, targets=TARGETS), make_batch(SIZE, MODALITIES, targets=TARGETS)
    inputs = {**other.inputs, "table": one.inputs["table"]}
    table, whole = one.present["table"], torch.ones(SIZE, dtype=torch.bool)
    return one, other.replaced(inputs=inputs, present={"table": table, "series": whole, "image": ~table})


@pytest.mark.parametrize("name", MODELS)
def test_its_output_does_not_depend_on_the_others(name: str) -> None:
    """Not even for samples that lack what it reads."""
    model = MODELS[name]().eval()
    one, other = (model(b) for b in batches())
    torch.testing.assert_close(one["z"].logits, other["z"].logits, rtol=0, atol=1e-6)
    assert not torch.allclose(one["y"].logits, other["y"].logits, atol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_its_loss_sends_no_gradient_to_the_others(name: str) -> None:
    model, batch = MODELS[name](), batches()[0]
    model.loss(batch.replaced(targets={"z": TARGETS["z"]}))[0].backward()
    for column in model.columns:
        leaves = column.leaves()
        for hidden in ("series", "image"):
            grads = [p.grad for p in leaves[hidden].parameters() if p.grad is not None]
            assert not any(bool(g.any()) for g in grads)
    if not any(
        early in name for early in list_fusions(stage="early")
    ):  # whose front of a table has no parameters
        grads = [p.grad for c in model.columns for p in c.leaves()["table"].parameters()]
        assert any(g is not None and bool(g.any()) for g in grads)


@pytest.mark.parametrize("name", MODELS)
def test_samples_that_lack_it_do_not_count(name: str) -> None:
    model, (batch, _) = MODELS[name]().eval(), batches()
    logits, there = model(batch)["z"].logits, batch.present["table"]
    losses = (logits - TARGETS["z"]).square()[there]
    value = task_losses(model, [batch], [training_features(model, batch, (True, True))], (True, True))[1]
    if not model.auxiliary_info:
        torch.testing.assert_close(value, losses.mean())
    spoiled = torch.where(there[:, None], TARGETS["z"], 1e6)
    other = batch.replaced(targets={**batch.targets, "z": spoiled})
    again = task_losses(model, [other], [training_features(model, other, (True, True))], (True, True))[1]
    torch.testing.assert_close(again, value)


def test_a_sample_whose_modality_is_dropped_does_not_count() -> None:
    model = make_model("gated", {"z": Regression(reads=("table",))}, modality_dropout=0.5).train()
    batch = make_batch(400, missing=False, targets={"z": torch.zeros(400, 1)})
    (batch,) = prepare(model, batch).batches
    features = training_features(model, batch, (True,))
    there = features[""].view.present["table"]
    assert 0 < int(there.sum()) < 400
    logits = model.decode(features[""], ("z",))["z"].logits
    loss = task_losses(model, [batch], [features], (True,))[0]
    torch.testing.assert_close(loss, logits[there].square().mean())


def test_a_fusion_with_unimodal_losses_puts_none_on_what_the_task_may_not_read() -> None:
    model = make_model("central_net", tasks(), modalities=MODALITIES)
    assert {t: model.auxiliary_heads[t].names for t in ("y", "z")} == {"y": MODALITIES, "z": ("table",)}


def test_an_unknown_modality_is_refused_with_close_matches() -> None:
    with pytest.raises(
        ValueError, match=r"unknown modality that task 'z' reads 'tabel'. Did you mean 'table'"
    ):
        make_model("gated", tasks(("tabel",)))


@pytest.mark.parametrize(
    "options",
    [
        {"reads": ("table",)},
        {"sources": FeatureSource("encoded", of="table")},
        {"reads": ("table",), "view": "copies"},
        {"reads": ("table",), "drawn": "series/x"},
    ],
)
def test_labels_of_samples_that_cannot_be_read_leave_a_task_inactive(options: dict[str, Any]) -> None:
    """Nothing may move: not the task's head, nor its learned weight."""
    weighting = create_weighting("uncertainty")
    model = make_model(
        "gated", {"y": Classification(3), "z": Classification(2, **options)}, weighting=weighting
    )
    rows = torch.arange(6)
    flags = {"z": rows < 2} if "drawn" not in options else {}
    targets = {"y": rows % 3, **({"z": rows % 2} if flags else {})}
    batch = make_batch(6, missing=False, targets=targets, labelled=flags)
    batch = batch.replaced(drawn={"series/x": rows % 2})
    present = {"table": rows > 1, "series": rows < 2}
    batch = batch.replaced(present=present, all_present=False)
    twice = rows.repeat(2)
    batch = batch.with_views(copies=batch.as_view().select(twice).replaced(rows=twice))
    assert active_tasks(model, [batch]) == (True, False)
    loss, parts = model.loss(batch)
    assert "z" not in parts
    loss.backward()
    assert not any(p.grad is not None and p.grad.any() for p in model.heads["z"].parameters())
    learned = torch.stack([p.grad if p.grad is not None else torch.zeros(()) for p in weighting.parameters()])
    assert learned[1] == 0 != learned[0]
    readable = batch.replaced(present={**present, "table": rows >= 0})
    view = readable.as_view().select(twice).replaced(rows=twice)
    assert active_tasks(model, [readable.with_views(copies=view)]) == (True, True)
