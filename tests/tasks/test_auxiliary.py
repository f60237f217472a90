"""CentralNet's unimodal losses: extra heads that the model puts on the fusion's auxiliary vectors."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from sennit.fusion import FusedEncoder, create_fusion
from sennit.tasks import Classification, MultiTaskModel, Regression
from tests.parts import MODALITIES, make_batch, make_encoders, make_model

SIZE = 14
TARGETS = {"y": torch.arange(SIZE) % 3, "z": torch.linspace(-1, 1, SIZE)[:, None]}


def make(weight: float = 1.0) -> MultiTaskModel:
    tasks = {"y": Classification(3), "z": Regression()}
    options = {"auxiliary_weight": weight}
    return make_model("central_net", tasks, modalities=MODALITIES, fusion_options=options)


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_the_loss_is_the_central_one_and_the_unimodal_ones(weight: float) -> None:
    """``L_C + Σ_m β_m L_m`` (Vielzeuf 2018, eq. 2), absent rows not counted."""
    model, batch = make(weight).eval(), make_batch(SIZE, MODALITIES, targets=TARGETS)
    _, parts = model.loss(batch)
    encoded, outputs = model.fused_encoder.encode(batch), model(batch)
    expected = F.cross_entropy(outputs["y"].logits, TARGETS["y"])
    for m in MODALITIES:
        there = batch.present[m]
        logits = model.auxiliary_heads["y"][m](encoded[m].pooled)
        torch.testing.assert_close(outputs["y"].auxiliary[m], logits)
        expected = expected + weight * F.cross_entropy(logits[there], TARGETS["y"][there])
    torch.testing.assert_close(parts["y"], expected)


def test_the_extra_heads_train() -> None:
    model = make()
    model.loss(make_batch(SIZE, MODALITIES, targets=TARGETS))[0].backward()
    idle = [n for n, p in model.auxiliary_heads.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []
    assert model.auxiliary_heads["y"].names == MODALITIES


def test_without_weight_there_are_no_extra_heads() -> None:
    model = make(0.0)
    assert not list(model.auxiliary_heads.parameters())
    assert set(model.loss(make_batch(SIZE, MODALITIES, targets=TARGETS))[1]) == {"y", "z", "loss"}


@pytest.mark.parametrize("outer", ["concat", "central_net", "multiplicative"])
def test_they_train_in_a_nested_fusion_too(outer: str) -> None:
    pair = make_encoders(("table", "series"))
    inner = FusedEncoder(pair, create_fusion("central_net", pair, embed_dim=8, auxiliary_weight=0.5))
    trio = {"pair": inner, **make_encoders(("image",))}
    model = MultiTaskModel(
        encoders=trio,
        fusion=create_fusion(outer, trio, embed_dim=8),
        tasks={"y": Classification(3)},
        modality_dropout=0,
    ).eval()
    own = ("pair", "image") if outer == "central_net" else ()
    assert set(model.auxiliary_heads["y"].names) == {*own, "pair.table", "pair.series"}
    assert model.auxiliary_info["pair.table"].weight == 0.5
    model.loss(make_batch(SIZE, MODALITIES))[0].backward()
    assert all(p.grad is not None and p.grad.any() for p in model.auxiliary_heads.parameters())
