"""Concatenation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sennit.fusion.cell._base import Activation, Operator, register_operator


@register_operator("concat")
class Concat(Operator):
    """``h = σ(W [x_1; …; x_K] + b) = σ(Σ_k u_k)``: the cell of MFAS.

    Source: Pérez-Rúa et al. 2019, "MFAS: Multimodal Fusion Architecture Search" (eq. 4).

    Example:
        >>> import torch
        >>> Concat().combine([torch.tensor([[[1.0]], [[-3.0]]])], None, torch.relu, 1)
        tensor([0.])
    """

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        total = u[0].squeeze(-2).sum(0)
        for inputs in u[1:]:
            total = total + inputs.squeeze(-2).sum(0)
        return act(total)
