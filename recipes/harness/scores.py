"""Scores of a model on data, with and without each modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from sennit.data import Batch
from sennit.tasks import Evaluation, MultiTaskModel, evaluate


def batches(model: MultiTaskModel, dataset: Any, size: int) -> DataLoader[Batch]:
    """Return the batches of a dataset in its order."""
    return DataLoader(dataset, batch_size=size, collate_fn=getattr(dataset, "collate", model.collate))


def scores_of(evaluation: Evaluation, metrics: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return by task its ``score`` and, for an accuracy, ``correct``: 1, 0, or -1 for a sample not scored.

    A task without a single sample to score is left out.

    Args:
        evaluation: Evaluation of a model, with its answers.
        metrics: Name of the metric that is the score, by task.
    """
    results: dict[str, dict[str, Any]] = {}
    for task, metric in metrics.items():
        if task not in evaluation.metrics:
            continue
        results[task] = {"score": evaluation.metrics[task][metric]}
        answers = evaluation.answers[task]
        if metric == "accuracy" and answers.targets.dim() == 1:  # of one class, not of several labels
            right = (answers.logits.argmax(1) == answers.targets).int()
            results[task]["correct"] = right.masked_fill(~answers.counted, -1).tolist()
    return results


def without_each(
    model: MultiTaskModel, loader: Iterable[Batch], metrics: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Return by modality left out, by task, the score that the other modalities reach."""
    names = model.fused_encoder.modalities
    results = {}
    for missing in names:
        rest = tuple(m for m in names if m != missing)
        evaluation = evaluate(model, (batch.restrict(rest) for batch in loader), answers=False)
        results[missing] = {
            task: evaluation.metrics[task][metric]
            for task, metric in metrics.items()
            if task in evaluation.metrics
        }
    return results


@torch.no_grad()
def modality_weights(model: MultiTaskModel, loader: Iterable[Batch], task: str) -> dict[str, float] | None:
    """Return the mean weight of each modality in a task's features; None for a fusion without weights.

    Args:
        model: Model in evaluation mode.
        loader: Batches.
        task: Name of the task.
    """
    device, weights = next(model.parameters()).device, []
    for batch in loader:
        of_batch = model.features(batch.to(device)).fused[task].modality_weights
        if of_batch is None:
            return None
        weights.append(of_batch)
    names = model.fused_encoder.modalities
    return dict(zip(names, torch.cat(weights).float().mean(0).tolist(), strict=True))
