"""Linear maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.tasks.balancing.gramian._rule import Rule, inner_products, register_rule


@register_rule("MmBackward0", weight=1)
@register_rule("AddmmBackward0", weight=2)
class LinearRule(Rule):
    """``Y = X W``: with the gradients D_t at Y, ``G_st = ⟨Xᵀ D_s, Xᵀ D_t⟩ = ⟨D_s, X Xᵀ D_t⟩``.

    The first needs ``T N I O`` multiplications, the second ``N² (I + T O)`` and no gradient of the weight;
    the cheaper one is taken. (Inner products of all pairs of rows of D would need ``T² N² O``.)

    Source: Goodfellow 2015, "Efficient Per-Example Gradient Computations" (§4), for sums over rows.

    Args:
        node: Node of the matrix product; `torch.nn.Linear` makes one for inputs with any number of axes.

    Shape:
        X ``[N, I]``, grads ``[T, N, O]``, gradients ``[T, I, O]``.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.ones(2, 1))
        >>> out = torch.tensor([[1.0, 2.0]]) @ weight
        >>> LinearRule(out.grad_fn).products(torch.tensor([[[1.0]], [[-1.0]]]))
        tensor([[ 5., -5.],
                [-5.,  5.]])
    """

    def __init__(self, node: Any) -> None:
        self.x: Tensor = node._saved_mat1 if node.name() == "AddmmBackward0" else node._saved_self

    @classmethod
    def fits(cls, node: Any) -> bool:
        return node.name() == "MmBackward0" or bool(node._saved_alpha == 1)

    def is_shorter(self, tasks: int, shape: Sequence[int]) -> bool:
        rows, outputs = shape
        return rows_are_cheaper(tasks, rows, outputs, self.x.shape[1])

    def gradients(self, grads: Tensor) -> Tensor:
        # In the layout of the weight of `torch.nn.Linear`.
        return (grads.transpose(1, 2) @ self.x).transpose(1, 2)

    def products(self, grads: Tensor) -> Tensor:
        if self.is_shorter(len(grads), grads.shape[1:]):
            return products_by_rows(self.x, grads)
        return inner_products(self.gradients(grads))


CALLS = 2**20
"""Extra cost of a rule's calls over those of a backward pass, in multiplications."""


def rows_are_cheaper(tasks: int, rows: int, outputs: int, inputs: int) -> bool:
    """Return whether rows, with one gradient of the weight, cost less than the gradients of all tasks."""
    pairs = tasks * (tasks + 1)  # for the inner products, and for the mixture
    by_rows = rows * rows * (inputs + tasks * outputs) + pairs * rows * outputs + rows * inputs * outputs
    return by_rows + CALLS < tasks * rows * inputs * outputs + pairs * inputs * outputs


def products_by_rows(x: Tensor, grads: Tensor) -> Tensor:
    """Return ``⟨D_s, X Xᵀ D_t⟩`` for all pairs, at least in float32.

    Shape:
        x ``[N, I]``, grads ``[T, N, O]``, result ``[T, T]``.
    """
    kind = torch.promote_types(grads.dtype, torch.float32)
    x, grads = x.to(kind), grads.to(kind)
    return grads.flatten(1) @ ((x @ x.T) @ grads).flatten(1).T
