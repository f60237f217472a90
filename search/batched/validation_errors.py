"""Errors of the candidates of a generation on validation data."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sennit.search.batched.cached_batches import CachedBatches
from sennit.search.batched.stacks_by_width import StacksByWidth
from sennit.tasks import Task
from sennit.tasks.model.terms import output_loss

_VALUES = 2**21  # of the maps of one batch: about as many as a processor's cache holds
Figures = list[dict[str, float]]
"""A figure of each task, by candidate."""


@torch.no_grad()
def validation_errors(
    batched: StacksByWidth, data: CachedBatches, *, losses: bool
) -> tuple[Figures, Figures]:
    """Return, by candidate and task, 1 − the score and mean loss; infinite where outputs are not finite.

    Args:
        batched: Candidates side by side.
        data: Validation data.
        losses: Whether to compute the losses, which takes time; they are empty otherwise.
    """
    outputs: dict[str, dict[int, list[tuple[Tensor, Tensor | None]]]] = {}
    size = max(64, min(512, _VALUES // batched.values_per_row))
    for rows in torch.split(torch.arange(data.size), size):
        taps, present, _, _ = data.batch(rows)
        for name, of_members in batched(taps, present).items():
            for members, (logits, costs) in of_members:
                for k, member in enumerate(members):
                    cost = None if costs is None else costs[k]
                    outputs.setdefault(name, {}).setdefault(member, []).append((logits[k], cost))
    errors: Figures = [{} for _ in batched.candidates]
    means: Figures = [{} for _ in batched.candidates]
    for name, of_member in outputs.items():
        task, target, scored = batched.tasks[name], data.targets[name], data.scored[name]
        for member, chunks in of_member.items():
            out = torch.cat([logits for logits, _ in chunks])
            score = task.score(out, target, scored) if bool(out.isfinite().all()) else -math.inf
            errors[member][name] = 1 - score
            if losses:
                given = [cost for _, cost in chunks if cost is not None]
                cost = torch.cat(given) if given else None
                means[member][name] = _mean_loss(task, out, cost, target, scored)
    return errors, means


def _mean_loss(task: Task, out: Tensor, cost: Tensor | None, target: Tensor, scored: Tensor) -> float:
    loss = output_loss(task, out, target, cost=cost)
    counted = scored.reshape(*scored.shape, *[1] * (loss.dim() - scored.dim())).expand_as(loss)
    mean = float(loss[counted].mean(dtype=torch.float64))
    return mean if math.isfinite(mean) else math.inf
