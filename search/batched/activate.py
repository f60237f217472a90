"""Activations of candidates that differ in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.search.batched.plan import Group

Runs = Sequence[tuple[str, int]]
"""Name of the activation and number of candidates of each run."""


def make_runs(groups: Sequence[Group]) -> Runs:
    """Return the runs of the members of some groups, one group after the other."""
    names = (name for group in groups for name in group.activations)
    return [(name, len(list(run))) for name, run in groupby(names)]


_aten = torch.ops.aten
_FORWARD: Mapping[str, Callable[[Tensor], object]] = {
    "relu": torch.relu_,
    "leaky_relu": lambda x: F.leaky_relu(x, inplace=True),
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "identity": lambda x: x,
}
# Each derivative is a function of the activation's result.
_BACKWARD: Mapping[str, Callable[[Tensor, Tensor, Tensor], object]] = {
    "relu": lambda g, y, out: _aten.threshold_backward.grad_input(g, y, 0, grad_input=out),
    "leaky_relu": lambda g, y, out: _aten.leaky_relu_backward.grad_input(g, y, 0.01, True, grad_input=out),
    "sigmoid": lambda g, y, out: _aten.sigmoid_backward.grad_input(g, y, grad_input=out),
    "tanh": lambda g, y, out: _aten.tanh_backward.grad_input(g, y, grad_input=out),
    "identity": lambda g, y, out: out.copy_(g),
}


class Activate(torch.autograd.Function):
    """`sennit.fusion.cell.ACTIVATIONS` over runs of the third axis from the end, in one step of autograd.

    Args:
        x: Tensor to activate.
        runs: Runs along its third axis from the end.
        in_place: Whether x is overwritten.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, runs: Runs, in_place: bool) -> Tensor:
        if in_place:
            ctx.mark_dirty(x)
        y = x if in_place else x.clone(memory_format=torch.contiguous_format)
        ctx.names, ctx.sizes = [name for name, _ in runs], [size for _, size in runs]
        for name, part in zip(ctx.names, torch.split(y, ctx.sizes, -3), strict=True):
            _FORWARD[name](part)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (y,) = ctx.saved_tensors
        out = torch.empty_like(y)
        parts = (torch.split(t, ctx.sizes, -3) for t in (gradients[0], y, out))
        for name, g, of_run, into in zip(ctx.names, *parts, strict=True):
            _BACKWARD[name](g, of_run, into)
        return out, None, None
