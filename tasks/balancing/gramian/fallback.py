"""Parameters of any use."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sennit.tasks.balancing.gramian._rule import Rule


class FallbackRule(Rule):
    """The gradient as the backward pass itself forms and sums it, for each task.

    Serves biases, scales, tokens and positions, which are small, and weights that are used several times,
    changed by a parametrisation, or read by an operation without a rule.

    Source: the definition, ``G_st = ⟨∂L_s/∂θ, ∂L_t/∂θ⟩``.

    Args:
        node: Node of the parameter, where all its gradients meet.

    Shape:
        grads ``[T, *θ]``, gradients as grads.

    Example:
        >>> import torch
        >>> FallbackRule(None).products(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        tensor([[ 5., -2.],
                [-2.,  1.]])
    """

    def __init__(self, node: Any) -> None:
        pass

    def gradients(self, grads: Tensor) -> Tensor:
        return grads
