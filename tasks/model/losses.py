"""The losses of the tasks on batches: their features, their terms, their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.data import Batch
from sennit.registry import unknown_name
from sennit.tasks.model.active import device_of, learns_from
from sennit.tasks.model.labelled_mean import labelled_means
from sennit.tasks.model.network import Network
from sennit.tasks.model.outputs import Features
from sennit.tasks.model.terms import Term, Views, task_terms


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
    learning: set[str] = set()
    # A rank without a label takes part all the same where another has one.
    labelled = not dist.is_initialized()
    for (name, views), on in zip(network.views.items(), active, strict=True):
        if on and learns_from(network, name, batch, labelled=labelled):
            for view in views:
                readers.setdefault(view, []).extend(network.readings.of_task[name])
            learning |= {*views} - {*network.tasks_by_name[name].detached_views_of(name)}
    features = {}
    for name, readings in readers.items():
        seen = batch.views[name] if name else batch
        if name in learning:
            features[name] = network.features(seen, readings)
        else:
            with torch.no_grad():
                features[name] = replace(network.features(seen, readings), detached=True)
    return features


def task_losses(
    network: Network,
    batches: Sequence[Batch],
    features: Sequence[Views],
    active: Sequence[bool],
    teacher: Network | None = None,
) -> Tensor:
    """Return the loss of each task over the samples that count ``[K]``; zero for inactive ones."""
    outputs = [{v: network.decode(f) for v, f in views.items()} for views in features]
    terms: dict[tuple[str, str], list[Term]] = {}
    for batch, views, out in zip(batches, features, outputs, strict=True):
        taught = {} if teacher is None else teacher_outputs(network, teacher, batch)
        for (name, task), on in zip(network.tasks_by_name.items(), active, strict=True):
            if on:
                for term in task_terms(network, name, task, batch, views, out, taught):
                    terms.setdefault((name, term.part), []).append(term)
    if not terms:
        return torch.zeros(len(network.views), device=device_of(batches))
    means = labelled_means([[(term.values, term.counted) for term in group] for group in terms.values()])
    if [*terms] == network.main_parts:
        return means
    losses: dict[str, Tensor] = {}
    for ((name, part), group), mean in zip(terms.items(), means.unbind(), strict=True):
        weighted = mean if part == "" else group[0].weight * mean
        losses[name] = losses[name] + weighted if name in losses else weighted
    zero = torch.zeros((), device=means.device)
    return torch.stack([losses.get(name, zero) for name in network.views])


def unweighted_losses(
    network: Network, batches: Sequence[Batch], active: Sequence[bool], teacher: Network | None = None
) -> Tensor:
    """Return the loss of each task ``[K]`` from the batches on, without weighting or penalty."""
    features = [training_features(network, b, active) for b in batches]
    return task_losses(network, batches, features, active, teacher)


def teacher_outputs(network: Network, teacher: Network, batch: Batch) -> dict[str, dict[str, Tensor]]:
    """Return the outputs of the teacher's heads that tasks ask for, by task and view, without gradient."""
    wanted: dict[str, dict[str, None]] = {}
    for name, views in network.taught.items():
        if views and learns_from(network, name, batch):
            for view in views:
                heads = (network.readings.head_of[reading] for reading in network.readings.of_task[name])
                wanted.setdefault(view, {}).update(dict.fromkeys(heads))
    taught: dict[str, dict[str, Tensor]] = {}
    with torch.no_grad():
        for view, needed in wanted.items():
            features = teacher.features(batch.views[view] if view else batch, tuple(needed))
            for head, out in teacher.decode(features, tuple(needed)).items():
                taught.setdefault(head, {})[view] = out.logits
    return taught
