"""Soft parameter sharing by distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._soft import Soft


@register_sharing("soft_l2")
class SoftL2(Soft):
    """A network for each task; their parameters are drawn towards each other.

    The loss gains ``strength · Σ_{s<t} ‖θ_s − θ_t‖²``, over all parameters that the networks share in
    shape (not the heads). The penalty is part of every step, so it also moves the network of a task without
    a label in the batch towards the others.

    Source: Duong et al., "Low Resource Dependency Parsing: Cross-lingual Parameter Sharing in a Neural
    Network Parser", ACL 2015 (two networks); here every pair of them.

    Args:
        strength: Weight of the penalty.
        trunk: The stack between fusion and heads that each task has, such as
            ``{"name": "mlp", "depth": 2}``; None for encoders and a fusion for each task.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task.

    Raises:
        ValueError: ``strength`` is below 0.

    Example:
        >>> sharing = SoftL2(strength=0.5)
        >>> sharing.distance(torch.tensor([[1.0, 2.0], [4.0, 2.0], [1.0, 2.0]]))
        tensor(18.)
    """

    def __init__(self, *, strength: float = 1e-3, trunk: Mapping[str, Any] | None = None) -> None:
        super().__init__(strength, trunk)

    def distance(self, stacked: Tensor) -> Tensor:
        # Σ_{s<t} ‖θ_s − θ_t‖² = T Σ_t ‖θ_t − mean‖², without a loop over pairs.
        return len(stacked) * torch.sum((stacked - stacked.mean(0)).square())
