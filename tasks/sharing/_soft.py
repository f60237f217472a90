"""Soft sharing: a network for each task, held together by a penalty on their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sennit.tasks.sharing._base import check_strength
from sennit.tasks.sharing._task_networks import TaskNetworks


class Soft(TaskNetworks):
    """TaskNetworks that nothing mixes; a subclass defines `distance`.

    Args:
        strength: Weight of the penalty.
        trunk: Stack between fusion and heads, or None for encoders, as in `TaskNetworks`.
    """

    mixes = False
    exchanges = False

    def __init__(self, strength: float, trunk: Mapping[str, Any] | None) -> None:
        super().__init__(trunk)
        check_strength("strength", strength)
        self.strength = strength

    def distance(self, stacked: Tensor) -> Tensor | None:
        """Return the distance of a parameter stacked over tasks ``[T, ...]``, or None to leave it free."""
        raise NotImplementedError

    def penalty(self) -> Tensor:
        parameters = [dict(network.named_parameters()) for network in self.networks]
        distances = [self.distance(torch.stack([p[name] for p in parameters])) for name in parameters[0]]
        return self.strength * torch.stack([d for d in distances if d is not None]).sum()
