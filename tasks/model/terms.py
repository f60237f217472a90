"""The parts of a task's loss on one batch, not yet reduced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.tasks._base import Task
from sennit.tasks.contract.context import TaskContext
from sennit.tasks.model.active import both, counted_labels, counted_rows
from sennit.tasks.model.network import Network
from sennit.tasks.model.outputs import Features, TaskOutput

Views = Mapping[str, Features]
"""Features by view; "" is the batch itself."""


class Term(NamedTuple):
    """A part of a task's loss on one batch, not yet reduced.

    Attributes:
        part: Name of the part; "" for the main head.
        weight: Factor of the part.
        values: Losses of the samples, or of the entries of their targets.
        counted: Mask of the samples, or entries, that count; None for all.

    Shape:
        values ``[B, ...]``, counted ``[B]`` or as values.
    """

    part: str
    weight: float
    values: Tensor
    counted: Tensor | None


def task_terms(
    network: Network,
    name: str,
    task: Task,
    batch: Batch,
    views: Views,
    outputs: Mapping[str, Mapping[str, TaskOutput]],
    teacher: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> list[Term]:
    """Return the parts of a task's loss on one batch. A new kind of loss part is added here.

    Args:
        network: Model.
        name: Name of the task.
        task: Task.
        batch: Batch.
        views: Features by view.
        outputs: Outputs of the readings by view.
        teacher: Outputs of the teacher by task and view.

    Returns:
        The parts; none where the batch has nothing for the task.
    """
    readings = network.readings.of_task[name]
    if not all(view in outputs and readings[0] in outputs[view] for view in network.views[name]):
        return []
    if task.target is None:
        return [_term_from(network, name, task, batch, views, outputs, teacher or {})]
    view = network.views[name][0]
    features, out = views[view], outputs[view][name]
    target = _target(name, task, batch, features.view)
    counted = counted_labels(network, name, batch, features.view)
    if network.training:
        counted = both(counted, task.keeps(out.logits, target, network.progress))
    loss = output_loss(task, out.logits, target, cost=out.cost, counted=counted)
    if task.by_token:
        counted = _valid_tokens(features.source_masks.get(name, {}).get(""), counted)
    terms = [Term("", 1.0, loss, counted)]
    fused = features.fused.get(name)
    present = {} if fused is None else fused.auxiliary_present
    for part, logits in out.auxiliary.items():
        here = both(counted, present.get(part))
        weight = network.auxiliary_info[part].weight
        terms.append(Term(part, weight, output_loss(task, logits, target, counted=here), here))
    return terms


def _term_from(
    network: Network,
    name: str,
    task: Task,
    batch: Batch,
    views: Views,
    outputs: Mapping[str, Mapping[str, TaskOutput]],
    teacher: Mapping[str, Mapping[str, Tensor]],
) -> Term:
    """Return the loss of a task without labels."""
    lent = network.readings.lent(name)
    rows = counted_rows(network, name, batch)
    context = TaskContext(
        name=name,
        batch=batch,
        progress=network.progress,
        features=views,
        outputs={v: outputs[v][name].logits for v in network.views[name] if name in outputs[v]},
        lenders={t: network.tasks_by_name[t] for t in task.lenders},
        lent={t: {v: outputs[v][r].logits for v in network.views[name]} for t, r in lent.items()},
        teacher=teacher,
        counted=rows,
    )
    loss = task.loss_from(context)
    if isinstance(loss, Tensor):
        return Term("", 1.0, loss, rows)
    values, counted = loss
    return Term("", 1.0, values, both(counted, rows) if len(values) == batch.batch_size else counted)


def _target(name: str, task: Task, batch: Batch, view: View) -> Tensor:
    """Return the targets of a labelled task in its view."""
    if task.drawn is not None:
        return view.drawn[task.drawn]
    target = batch.targets[name]
    return target if view.rows is None else target.index_select(0, view.rows)


def _valid_tokens(mask: Tensor | None, counted: Tensor | None) -> Tensor | None:
    """Return which tokens count: those that are no padding, of rows or entries that count."""
    if mask is None or counted is None or counted.dim() == 1:
        return both(mask, counted)
    return mask & counted


def output_loss(
    task: Task, logits: Tensor, target: Tensor, *, cost: Tensor | None = None, counted: Tensor | None = None
) -> Tensor:
    """Return the loss of each sample; a batchwise task is given only the samples that count.

    Args:
        task: Task with labels.
        logits: Output of its head, or of a decision rule.
        target: Targets.
        cost: Cost of each alternative, as a decision rule gives it; None without a rule.
        counted: Mask of the samples that count; None for all.

    Shape:
        logits ``[B, out_dim]``, cost ``[B, ...]``, counted ``[B]``; result as `Task.loss` gives it.
    """
    if cost is not None:
        return task.expected_cost(cost, target)
    if counted is None or not task.batchwise:
        return task.loss(logits, target)
    rows = counted.nonzero().squeeze(1)
    losses = task.loss(logits[rows], target[rows])
    return losses.new_zeros(len(logits)).index_copy(0, rows, losses)


def sample_losses(
    network: Network, name: str, batch: Batch, features: Features, out: TaskOutput
) -> tuple[Tensor, Tensor]:
    """Return a labelled task's loss for each sample, zero without a label, and which have one ``[B]``.

    Where the entries of a target are labelled separately, a sample's loss is the mean over the labelled ones.
    """
    _, _, loss, counted = task_terms(
        network, name, network.tasks_by_name[name], batch, {"": features}, {"": {name: out}}
    )[0]
    counted = torch.ones_like(loss, dtype=torch.bool) if counted is None else counted
    counted = counted.reshape(*counted.shape, *[1] * (loss.dim() - counted.dim())).expand_as(loss)
    rows = counted.reshape(len(loss), -1)
    count = rows.sum(1)
    return loss.reshape(len(loss), -1).masked_fill(~rows, 0).sum(1) / count.clamp(min=1), count > 0
