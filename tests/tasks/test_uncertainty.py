"""Uncertainty weighting (Kendall 2018)."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sennit.tasks import Classification, Learner, MultiLabel, Regression, create_weighting
from sennit.tasks.weighting import Uncertainty
from tests.parts import make_batch, make_model

TASKS = {"y": Classification(3), "z": Regression(), "w": MultiLabel(2)}


def bound() -> Uncertainty:
    weighting = Uncertainty()
    weighting.bind(TASKS)
    return weighting


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    losses=st.lists(st.floats(0, 10), min_size=3, max_size=3),
    s=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    active=st.lists(st.booleans(), min_size=3, max_size=3).filter(any),
)
def test_formula_with_a_half_for_regression_only(
    losses: list[float], s: list[float], active: list[bool]
) -> None:
    """Regression ``½ e^{−s} L + ½ s``, classification ``e^{−s} L + ½ s``. Trap: ½ for both."""
    weighting = bound()
    with torch.no_grad():
        for parameter, value in zip(weighting.log_variances, s, strict=True):
            parameter.fill_(value)
    expected = sum(
        c * math.exp(-v) * loss + 0.5 * v
        for c, v, loss, on in zip((1.0, 0.5, 1.0), s, losses, active, strict=True)
        if on
    )
    there = torch.tensor([x if on else 0.0 for x, on in zip(losses, active, strict=True)])
    assert weighting(there, active).item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_an_inactive_task_moves_no_log_variance() -> None:
    """⚑ Not by AdamW's momentum either."""
    weighting = bound()
    optimizer = torch.optim.AdamW(weighting.parameters(), lr=0.1, weight_decay=0.1)
    for active in [(True,) * 3] * 3 + [(True, False, True)] * 3:
        before = [p.item() for p in weighting.log_variances]
        optimizer.zero_grad()
        weighting(torch.tensor([2.0, 3.0 * active[1], 4.0]), active).backward()
        optimizer.step()
        moved = [p.item() != b for p, b in zip(weighting.log_variances, before, strict=True)]
        assert moved == list(active)


def test_log_variances_are_trained_outside_weight_decay() -> None:
    """Trap: decayed, or not in the optimizer at all."""
    model = make_model(tasks={"y": Classification(3)}, weighting=create_weighting("uncertainty"))
    groups = Learner(model, weight_decay=0.1).configure_optimizers().param_groups
    decay = {id(p): g["weight_decay"] for g in groups for p in g["params"]}
    assert [decay[id(p)] for p in model.weighting.parameters()] == [0.0]
    model.loss(make_batch())[0].backward()
    assert all(p.grad is not None for p in model.weighting.parameters())
