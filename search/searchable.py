"""The tasks that a search can train and score."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sennit.tasks import Task


def check_searchable(tasks: Mapping[str, Task]) -> None:
    """Refuse tasks that a search cannot train or score.

    Candidates are trained side by side, which asks for linear heads and for a loss of each sample alone.

    Raises:
        TypeError: A task without labels or a head of its own, with a head that is no linear layer, or with
            a loss that compares samples; it is named.
    """
    for name, task in tasks.items():
        if task.target is None or task.of is not None:
            lacks = "labels and a head of its own, for a search to score it"
        elif task.batchwise:
            lacks = "a loss of each sample alone, as a search trains candidates side by side"
        elif not _has_linear_head(task):
            lacks = "a linear head, as a search trains candidates side by side"
        else:
            continue
        raise TypeError(
            f"task '{name}' should have {lacks}. Found {type(task).__name__}. Leave it out; the best fusion "
            "can be trained with it afterwards."
        )


def _has_linear_head(task: Task) -> bool:
    with torch.random.fork_rng(devices=[]):
        return type(task.build_head(1)) is nn.Linear
