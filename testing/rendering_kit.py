"""Contract of a task that makes views, as plain functions that raise AssertionError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.data.random_state import random_state
from sennit.tasks import MultiTaskModel
from sennit.tasks.model.active import active_tasks
from sennit.tasks.model.losses import unweighted_losses
from sennit.tasks.model.prepare import Prepared, prepare

V = TypeVar("V", bound=View)


def check_rendering_task(model: MultiTaskModel, name: str, batches: Mapping[str, Batch]) -> None:
    """Hold a task that makes views to the whole contract.

    Args:
        model: Model with the task.
        name: Name of the task.
        batches: Batches of a step by loader, from which the task learns, with some modalities missing.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import VAT, Classification
        >>> encoders = {m: create_encoder("mlp", 3, width=8, embed_dim=4) for m in ("a", "b")}
        >>> tasks = {"y": Classification(2), "vat": VAT(of="y", epsilon=1.0)}
        >>> fusion = create_fusion("concat", encoders, embed_dim=4)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks=tasks)
        >>> present = {"a": torch.tensor([True, True, False, True])}
        >>> batch = Batch.of({m: torch.randn(4, 3) for m in ("a", "b")}, present=present)
        >>> check_rendering_task(model, "vat", {"unlabelled": batch})
    """
    check_absent_rows_reach_nothing(model, name, batches)
    check_rendering_leaves_no_trace(model, batches)
    check_the_same_numbers_make_the_same_views(model, name, batches)
    check_order_of_the_rows_is_nothing(model, name, batches)
    check_nothing_counts_where_nothing_is_present(model, name, batches)


def check_absent_rows_reach_nothing(model: MultiTaskModel, name: str, batches: Mapping[str, Batch]) -> None:
    """Check that the loss does not depend on the values of absent rows and of the padding."""
    spoiled = {loader: _with_views(batch, spoil) for loader, batch in batches.items()}
    losses = []
    for step in (batches, spoiled):
        torch.manual_seed(0)
        losses.append(model.train().loss(step)[1][name])
    assert bool(losses[0].isfinite())
    torch.testing.assert_close(losses[0], losses[1])


def check_rendering_leaves_no_trace(model: MultiTaskModel, batches: Mapping[str, Batch]) -> None:
    """Check that rendering changes no buffer, gradient or mode, and draws from torch alone."""
    model.train()
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    before = {key: x.clone() for key, x in [*model.named_buffers(), *model.named_parameters()]}
    modes = [module.training for module in model.modules()]
    states = random_state()[1:]
    prepare(model, batches)
    for key, x in [*model.named_buffers(), *model.named_parameters()]:
        assert torch.equal(before[key], x), f"'{key}' changed"
    assert all(p.grad is not None and bool((p.grad == 1).all()) for p in model.parameters())
    assert modes == [module.training for module in model.modules()]
    now = random_state()[1:]
    assert states[0] == now[0]
    assert np.array_equal(states[1][1], now[1][1])
    model.zero_grad()


def check_the_same_numbers_make_the_same_views(
    model: MultiTaskModel, name: str, batches: Mapping[str, Batch]
) -> None:
    """Check that a resumed run, which has the same random numbers, makes the same step."""
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        losses.append(model.train().loss(batches)[1][name])
    assert torch.equal(*losses)


def check_order_of_the_rows_is_nothing(
    model: MultiTaskModel, name: str, batches: Mapping[str, Batch]
) -> None:
    """Check that the loss of the views does not depend on the order of the rows."""
    step = prepare(model.eval(), batches)
    loss = model.loss(step)[1][name]
    turned = Prepared([b.select(torch.arange(b.batch_size).flip(0)) for b in step.batches])
    torch.testing.assert_close(model.loss(turned)[1][name], loss, rtol=1e-4, atol=1e-6)


def check_nothing_counts_where_nothing_is_present(
    model: MultiTaskModel, name: str, batches: Mapping[str, Batch]
) -> None:
    """Check that a step without a row that counts is inactive and costs exactly nothing."""
    hidden = {loader: _with_views(batch, _hidden) for loader, batch in batches.items()}
    step = prepare(model.train(), hidden).batches
    place = list(model.tasks_by_name).index(name)
    try:
        active: Sequence[bool] = active_tasks(model, step)
    except ValueError:  # no task is
        active = [False] * len(model.tasks_by_name)
    assert not active[place]
    alone = [other == name for other in model.tasks_by_name]
    losses: Tensor = unweighted_losses(model, step, alone)
    assert losses[place].item() == 0


def spoil(view: V) -> V:
    """Return a view with other values where a modality is absent, and in the padding."""
    inputs = {m: x.clone() for m, x in view.inputs.items()}
    for m, x in inputs.items():
        x[~view.present[m]] = 1
        if m in view.masks:
            x[~view.masks[m]] = 1
    return view.replaced(inputs=inputs)


def _hidden(view: V) -> V:
    present = {m: torch.zeros_like(p) for m, p in view.present.items()}
    return view.replaced(present=present, all_present=False)


def _with_views(batch: Batch, change: Any) -> Batch:
    changed: Batch = change(batch)
    return changed.replaced(views={name: change(view) for name, view in batch.views.items()})
