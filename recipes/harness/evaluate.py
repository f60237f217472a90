"""The scores of a model on data, with and without each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from sennit.data import Batch
from sennit.tasks import MultiTaskModel
from torch.utils.data import DataLoader


def batches(model: MultiTaskModel, dataset: Any, size: int) -> DataLoader[Batch]:
    """Batches of a dataset in its order."""
    return DataLoader(dataset, batch_size=size, collate_fn=getattr(dataset, "collate", model.collate))


@torch.no_grad()
def evaluate(
    model: MultiTaskModel, loader: Iterable[Batch], metrics: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """By task its ``score`` and, for an accuracy, ``correct``: 1, 0, or -1 where there is no label.

    A task that cannot read a single sample, since what it reads is missing, is left out.

    Args:
        model: In evaluation mode.
        loader: Batches with targets.
        metrics: By task which of ``task.metrics()`` is the score.
    """
    device = next(model.parameters()).device
    collections: dict[str, Any] = {}
    correct: dict[str, list[int]] = {}
    for batch in loader:
        batch = batch.to(device)
        for name, output in model(batch).items():
            if name not in metrics or name not in batch.targets:
                continue
            task, known = model.tasks[name], batch.labelled[name]
            readable = model.readable(name, batch)
            if readable is not None:
                known = known & readable.reshape(-1, *[1] * (known.dim() - 1))
            if not bool(known.any()):
                continue
            if name not in collections:
                collections[name] = task.metrics().to(device)
            task.update_metrics(collections[name], output.logits, batch.targets[name], known)
            if metrics[name] == "accuracy":
                right = (output.logits.argmax(1) == batch.targets[name]).int()
                correct.setdefault(name, []).extend(right.masked_fill(~known, -1).tolist())
    found: dict[str, dict[str, Any]] = {}
    for name, collection in collections.items():
        found[name] = {"score": float(collection.compute()[metrics[name]])}
        if name in correct:
            found[name]["correct"] = correct[name]
    return found


def without_each(
    model: MultiTaskModel, loader: Iterable[Batch], metrics: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """By modality left out, by task, the score that the others reach."""
    names = model.fused_encoder.modalities
    found = {}
    for missing in names:
        rest = tuple(m for m in names if m != missing)
        scores = evaluate(model, (batch.restrict(rest) for batch in loader), metrics)
        found[missing] = {task: own["score"] for task, own in scores.items()}
    return found


@torch.no_grad()
def modality_weights(model: MultiTaskModel, loader: Iterable[Batch], task: str) -> dict[str, float] | None:
    """The mean weight of each modality in a task's features; None for a fusion without weights."""
    device, weights = next(model.parameters()).device, []
    for batch in loader:
        own = model.features(batch.to(device)).fused[task].modality_weights
        if own is None:
            return None
        weights.append(own)
    names = model.fused_encoder.modalities
    return dict(zip(names, torch.cat(weights).float().mean(0).tolist(), strict=True))
