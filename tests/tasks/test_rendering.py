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
    MixMatch,
    MultiTaskModel,
    Regression,
    Task,
    create_balancing,
)
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.testing import check_rendering_task
from tests.parts import make_batch, make_view

MODALITIES = ("table", "series")
TASKS: dict[str, Callable[[], Task]] = {
    "vat": lambda: VAT(of="y", epsilon=1.0, gradient_scale=Ramp(steps=10)),
    "mixmatch": lambda: MixMatch(of="y", views=("weak",), loaders=("unlabelled",)),
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
