"""Soft sharing: a network for each task, held together by a penalty on their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sennit.tasks.sharing._base import check_strength
from sennit.tasks.sharing._task_networks import Columns
from torch import Tensor


class Soft(Columns):
    """Columns that nothing mixes; a subclass defines `distance`.

    Args:
        strength: Weight of the penalty.
        trunk: As in `Columns`.
    """

    mixes = False
    exchanges = False

    def __init__(self, strength: float, trunk: Mapping[str, Any] | None) -> None:
        super().__init__(trunk)
        check_strength("strength", strength)
        self.strength = strength

    def distance(self, stacked: Tensor) -> Tensor | None:
        """Of one parameter of all tasks ``[T, ...]``, a scalar; None for one that is left free."""
        raise NotImplementedError

    def penalty(self) -> Tensor:
        own = [dict(column.named_parameters()) for column in self.columns]
        found = [self.distance(torch.stack([p[name] for p in own])) for name in own[0]]
        return self.strength * torch.stack([d for d in found if d is not None]).sum()
