"""Every task that makes views against the contract kit, and what a trace would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from sennit.data import Batch, InputSpec
from sennit.encoders import create_encoder, wrap
from sennit.fusion import create_fusion
from sennit.ramp import Ramp
from sennit.tasks import (
    VAT,
    Classification,
    MaskedTokens,
    MixMatch,
    MultiTaskModel,
    Regression,
    Task,
    create_balancing,
    create_sharing,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.model.losses import unweighted_losses
from sennit.tasks.model.prepare import prepare
from sennit.testing import check_rendering_task
from tests.parts import make_batch, make_encoders, make_view

MODALITIES = ("table", "series")
TASKS: dict[str, Callable[[], Task]] = {
    "vat": lambda: VAT(of="y", epsilon=1.0, gradient_scale=Ramp(steps=10)),
    "mixmatch": lambda: MixMatch(of="y", views=("weak",), loaders=("unlabelled",)),
    "masked_tokens": lambda: MaskedTokens("series", rate=0.5),
}


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.2))


def make(task: Task, fusion: str = "gated") -> MultiTaskModel:
    """A model with a batch norm and dropout."""
    torch.manual_seed(0)
    encoders = {
        "table": wrap(net(), InputSpec((3,)), 6, factory="tests.tasks.test_rendering:net"),
        "series": create_encoder("tcn", 2, width=8, depth=2),
    }
    return MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion(fusion, encoders, embed_dim=8),
        tasks={"y": Classification(3), "z": Regression(), "task": task},
    )


def step() -> dict[str, Batch]:
    targets = {"y": torch.arange(8) % 3, "z": torch.randn(8, 1)}
    weak = make_view(8, MODALITIES)
    unlabelled = make_batch(8, targets={}).with_views(weak=weak)
    return {"labelled": make_batch(8, targets=targets), "unlabelled": unlabelled}


@pytest.mark.parametrize("fusion", ["gated", "product_of_experts"])
@pytest.mark.parametrize("name", TASKS)
def test_the_contract(name: str, fusion: str) -> None:
    check_rendering_task(make(TASKS[name](), fusion), "task", step())


@pytest.mark.parametrize(
    "make_task",
    [lambda: VAT(of="z", epsilon=1.0), lambda: MaskedTokens("series", rate=0.5, through="z")],
)
def test_views_are_made_by_the_encoders_of_the_task_that_they_are_for(make_task: Callable[[], Task]) -> None:
    """Not by those of the first task, where each has its own; what all have fitted is the same."""
    encoders = make_encoders(MODALITIES)
    model = MultiTaskModel(
        encoders=encoders,
        fusion=create_fusion("concat", encoders, embed_dim=8),
        tasks={"y": Classification(3), "z": Regression(), "task": make_task()},
        sharing=create_sharing("soft_l2"),
        modality_dropout=0.0,
    )
    batch = make_batch(6, targets={})
    model.fit_preprocessing(batch)

    def loss() -> torch.Tensor:
        torch.manual_seed(5)
        return unweighted_losses(model, prepare(model, batch).batches, (False, False, True))[2]

    before = loss()
    before.backward()
    of_y, of_z = model.fused_encoders
    assert not any(p.grad is not None and p.grad.any() for p in of_y.parameters())
    assert any(p.grad is not None and p.grad.any() for p in of_z.parameters())
    for column, same in ((of_y, True), (of_z, False)):
        with torch.no_grad():
            for p in column.parameters():
                p.add_(0.3 * torch.randn_like(p))
        assert torch.equal(loss(), before) is same


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    "balancing", [{"name": "pcgrad"}, {"name": "mgda"}, {"name": "upgrad", "level": "parameters"}]
)
def test_balancing_at_both_levels(name: str, balancing: dict[str, Any]) -> None:
    options = {k: v for k, v in balancing.items() if k != "name"}
    model = make(TASKS[name]()).train()
    loss, parts = balanced_loss(model, create_balancing(balancing["name"], **options), step())
    loss.backward()
    assert {"y", "z", "task"} <= set(parts)
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
