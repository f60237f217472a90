"""Scaling of a gradient on its way down, and heads that pass one without taking it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


def scale_gradient(x: Tensor, scale: float | Tensor) -> Tensor:
    """Return ``x``, whose gradient is multiplied by ``scale`` on its way down; -1 reverses it.

    Source: the gradient reversal layer of Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks"
    (eqs. 12 and 13), for any factor.

    Args:
        x: Tensor of any shape.
        scale: Factor, or factors that broadcast to the tensor.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> scale_gradient(x, -0.5).sum().backward()
        >>> x.grad
        tensor([-0.5000, -0.5000])
    """
    if isinstance(scale, float | int) and scale == 1:
        return x
    scaled: Tensor = _ScaleGradient.apply(x, scale)
    return scaled


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float | Tensor) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * ctx.scale, None


def call_frozen(module: nn.Module, *inputs: Tensor) -> Tensor:
    """Call a module whose parameters take no gradient of this call; the inputs do."""
    frozen = {name: p.detach() for name, p in module.named_parameters()}
    result: Tensor = functional_call(module, frozen, inputs)
    return result
