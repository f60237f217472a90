"""Conflicts between the tasks' gradients, for the logs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST_TASKS = 4
"""Pairwise cosines are logged for at most this many tasks."""


def conflicts(gramian: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
    """Return the mean cosine between the gradients of two tasks, and the share of pairs that conflict.

    Gradients conflict where their cosine is below zero (Yu et al. 2020, definition 1). A gradient of zero
    counts as a right angle to all others.

    Args:
        gramian: Inner products of the tasks' gradients.
        tasks: Names of the tasks.

    Returns:
        ``cosine/mean`` and ``cosine/conflicting``; for few tasks also ``cosine/<task>/<task>`` of each
        pair; nothing for a single task.

    Shape:
        gramian ``[T, T]``, results scalars, on its device.

    Example:
        >>> conflicts(torch.tensor([[1.0, -1.0], [-1.0, 4.0]]), ["a", "b"])
        {'cosine/mean': tensor(-0.5000), 'cosine/conflicting': tensor(1.), 'cosine/a/b': tensor(-0.5000)}
    """
    if len(tasks) < 2:
        return {}
    lengths = gramian.diagonal().clamp(min=0).sqrt()
    inverse = torch.where(lengths > 0, 1 / lengths, 0)
    rows, columns = torch.triu_indices(len(tasks), len(tasks), 1, device=gramian.device)
    cosines = (inverse[:, None] * gramian * inverse)[rows, columns].clamp(-1, 1)
    logged = {"cosine/mean": cosines.mean(), "cosine/conflicting": (cosines < 0).to(cosines.dtype).mean()}
    if len(tasks) <= MOST_TASKS:
        pairs = [f"cosine/{a}/{b}" for i, a in enumerate(tasks) for b in tasks[i + 1 :]]
        logged |= dict(zip(pairs, cosines.unbind(), strict=True))
    return logged
