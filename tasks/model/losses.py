"""The losses of the tasks on batches: which tasks are active, their features, their terms, their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.data import Batch
from sennit.registry import unknown_name
from sennit.tasks._base import Task
from sennit.tasks.model.labelled_mean import any_rank, labelled_means
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


def active_tasks(network: Network, batches: Sequence[Batch]) -> tuple[bool, ...]:
    """Return which tasks have something to learn from in these batches (on any rank).

    Raises:
        ValueError: No task has.
    """
    flags = []
    for name, views in network.views.items():
        on = False
        for b in batches:
            labelled = name in b.targets and name not in b.unlabelled
            on = on or (labelled if views == ("",) else b.views.keys() >= set(views))
        flags.append(on)
    active = tuple(flags)
    if dist.is_initialized():
        active = any_rank(flags, _device(batches))
    if not any(active):
        raise ValueError(
            f"the batch should have a label (or the views) of at least one of the tasks "
            f"{list(network.tasks)}. Found targets {sorted({t for b in batches for t in b.targets})} "
            f"without a label, and views {sorted({v for b in batches for v in b.views})}."
        )
    return active


def training_features(network: Network, batch: Batch, active: Sequence[bool]) -> dict[str, Features]:
    """Compute the features of each view of a batch that an active task reads; "" is the batch itself.

    Raises:
        ValueError: Targets of an unknown task, or of the wrong shape.
        TypeError: Targets of the wrong dtype.
    """
    for name, target in batch.targets.items():
        spec = network.targets.get(name)
        if spec is None:
            raise unknown_name("task in `targets`", name, network.targets)
        if target.shape[1:] != spec.shape or target.dtype != spec.dtype:
            spec.check(name, target)
    readers: dict[str, list[str]] = {}
    # A rank without a label takes part all the same where another has one.
    skipped = batch.unlabelled if batch.unlabelled and not dist.is_initialized() else frozenset()
    for (name, views), on in zip(network.views.items(), active, strict=True):
        for view in views if on else ():
            if view in batch.views if view else name in batch.targets and name not in skipped:
                readers.setdefault(view, []).append(name)
    return {v: network.features(batch.views[v] if v else batch, tasks) for v, tasks in readers.items()}


def task_losses(
    network: Network, batches: Sequence[Batch], features: Sequence[Views], active: Sequence[bool]
) -> Tensor:
    """Return the loss of each task over its labelled samples ``[K]``; zero for inactive ones."""
    outputs = [{v: network.decode(f) for v, f in views.items()} for views in features]
    terms: dict[tuple[str, str], list[Term]] = {}
    for (name, task), on in zip(network.tasks_by_name.items(), active, strict=True):
        if on:
            for batch, views, out in zip(batches, features, outputs, strict=True):
                for term in task_terms(network, name, task, batch, views, out):
                    terms.setdefault((name, term.part), []).append(term)
    means = labelled_means([[(term.values, term.counted) for term in group] for group in terms.values()])
    losses: dict[str, Tensor] = {}
    for ((name, part), group), mean in zip(terms.items(), means, strict=True):
        weighted = mean if part == "" else group[0].weight * mean
        losses[name] = losses[name] + weighted if name in losses else weighted
    for name in network.views:
        if name not in losses:
            losses[name] = torch.zeros((), device=_device(batches))
    return torch.stack([losses[name] for name in network.views])


def unweighted_losses(network: Network, batches: Sequence[Batch], active: Sequence[bool]) -> Tensor:
    """Return the loss of each task ``[K]`` from the batches on, without weighting or penalty."""
    return task_losses(network, batches, [training_features(network, b, active) for b in batches], active)


def task_terms(
    network: Network,
    name: str,
    task: Task,
    batch: Batch,
    views: Views,
    outputs: Mapping[str, Mapping[str, TaskOutput]],
) -> list[Term]:
    """Return the parts of a task's loss on one batch. A new kind of loss part is added here.

    Args:
        network: Model.
        name: Name of the task.
        task: Task.
        batch: Batch.
        views: Features by view.
        outputs: Outputs of the tasks by view.

    Returns:
        The parts; none where the batch has nothing for the task.
    """
    if task.views:
        if not all(v in outputs for v in task.views):
            return []
        counted = None
        for v in task.views:
            counted = _both(counted, network.readable(name, views[v].view))
        return [Term("", 1.0, task.agreement(*[outputs[v][name].logits for v in task.views]), counted)]
    if name not in outputs.get("", ()):
        return []
    features, out, target = views[""], outputs[""][name], batch.targets[name]
    counted = None if batch.all_labelled else batch.labelled[name]
    if task.reads is not None:
        counted = _both(counted, network.readable(name, features.view))
    loss = output_loss(task, out.logits, target, cost=out.cost, counted=counted)
    terms = [Term("", 1.0, loss, counted)]
    present = features.fused[name].auxiliary_present
    for part, logits in out.auxiliary.items():
        here = _both(counted, present.get(part))
        weight = network.auxiliary_info[part].weight
        terms.append(Term(part, weight, output_loss(task, logits, target, counted=here), here))
    return terms


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


def _device(batches: Sequence[Batch]) -> torch.device:
    return next(iter(batches[0].inputs.values())).device


def _both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b.reshape(-1, *[1] * (a.dim() - 1))
