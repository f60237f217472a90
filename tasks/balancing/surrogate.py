"""A loss whose gradients are computed already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def with_gradients(
    value: Tensor, tensors: Sequence[Tensor], gradients: Sequence[Tensor], scale: float = 1.0
) -> Tensor:
    """Return a scalar whose backward gives each tensor its gradient.

    Up to a constant it is ``Σ_i ⟨x_i, g_i⟩``.

    Args:
        value: Value of the result.
        tensors: Tensors x.
        gradients: Gradients g, each multiplied by ``scale``; a tensor may have several.
        scale: Factor by which a gradient scaler is going to multiply the result. Gradients in half precision
            need it at all times: without it small ones are zero.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> loss = with_gradients(torch.tensor(7.0), [x], [torch.tensor([1.0, 2.0])])
        >>> (2 * loss).backward()
        >>> loss.item(), x.grad.tolist()
        (7.0, [2.0, 4.0])
    """
    loss: Tensor = _WithGradients.apply(value.detach(), tuple(gradients), scale, *tensors)
    return loss


class _WithGradients(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, value: Tensor, gradients: tuple[Tensor, ...], scale: float, *tensors: Tensor
    ) -> Tensor:
        ctx.gradients, ctx.scale = gradients, scale
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, None, *torch._foreach_mul(ctx.gradients, grads[0] / ctx.scale)


def leaves_of(total: Tensor) -> list[Tensor]:
    """Return the tensors that learn from a scalar, each once."""
    leaves: list[Tensor] = []
    seen: set[Any] = {None}
    stack: list[Any] = [total.grad_fn]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        below = node.next_functions
        if below:
            stack += [child for child, _ in below]
        elif hasattr(node, "variable"):
            leaves.append(node.variable)
    return leaves
