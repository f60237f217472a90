"""Hadamard product."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sennit.fusion.cell._base import Activation, Operator, register_operator


@register_operator("hadamard")
class Hadamard(Operator):
    """``h = σ(∏_k (1 + u_k) − 1)``: the elementwise product of the mapped inputs.

    The biases could learn the 1, but with it the network starts near the sum of its inputs; from biases near
    zero it would start near zero, with gradients near zero.

    Example:
        >>> import torch
        >>> Hadamard().combine([torch.tensor([[[1.0]], [[2.0]]])], None, torch.relu, 1)
        tensor([5.])
    """

    def combine(
        self, u: Sequence[Tensor], mask: Tensor | None, act: Activation, width: Tensor | int
    ) -> Tensor:
        return act(product(u).squeeze(-2) - 1)


def product(u: Sequence[Tensor]) -> Tensor:
    """Return ``∏_k (1 + u_k)``."""
    first, *others = (1 + x for inputs in u for x in inputs.unbind(0))
    for factor in others:  # not `prod`, whose backward searches for zeros
        first = first * factor
    return first
