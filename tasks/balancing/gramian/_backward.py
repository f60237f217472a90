"""One backward pass for the gradients of all tasks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from sennit.tasks.balancing.gramian._graph import Graph, Use
from sennit.tasks.balancing.gramian._task_gradients import TaskGradients
from sennit.tasks.balancing.gramian.fallback import FallbackRule
from torch import Tensor
from torch.autograd.graph import GradientEdge

Take = Callable[[Tensor], None]


def each_gramian(graph: Graph, uses: Sequence[Use]) -> dict[Tensor, Tensor]:
    """The inner products ``[T, T]`` of the tasks' gradients of each parameter, at least in float32.

    Where all tasks go together, no gradient is kept for longer than that takes.
    """
    if not graph.batched:
        return each_gradient(graph, uses).gramian_of_each()
    found: dict[Tensor, Tensor] = {}

    def take(use: Use, grads: Tensor) -> None:
        found[use.parameter] = use.rule.products(grads)

    _together(graph, uses, take)
    return found


def each_gradient(graph: Graph, uses: Sequence[Use]) -> TaskGradients:
    """The tasks' gradients at each use."""
    kept = TaskGradients(uses, graph.count, graph.outputs[0])
    if graph.batched:
        kept.flat.zero_()
        _together(graph, uses, kept.take)
    else:
        _one_by_one(graph, uses, kept)
    return kept


@torch.no_grad()
def _together(graph: Graph, uses: Sequence[Use], take: Callable[[Use, Tensor], None]) -> None:
    """Give ``take`` the tasks' gradients at each use, as soon as they are there."""
    asked, on_the_way = _split(graph, uses)
    if not uses:
        return

    def taker(use: Use) -> Take:
        return lambda grads: take(use, grads)

    def hook(use: Use) -> Any:
        own = taker(use)
        return lambda grads: None if grads[0] is None else _hand_out(grads[0], own, graph.count)

    def backward(*cotangents: Tensor) -> Tensor:
        for use, g in zip(asked, _grad(graph, asked, cotangents), strict=True):
            if g is not None:
                _hand_out(g, taker(use), graph.count)
        return cotangents[0].new_zeros(())

    handles = [use.node.register_prehook(hook(use)) for use in on_the_way]
    try:
        with warnings.catch_warnings():
            # Of operations that go through the batch one by one, as attention's do.
            warnings.filterwarnings("ignore", message="There is a performance drop because")
            torch.vmap(backward, randomness="same")(*graph.cotangents())
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _one_by_one(graph: Graph, uses: Sequence[Use], kept: TaskGradients) -> None:
    """One ordinary backward after the other; only what the rules need is formed and kept."""
    asked, on_the_way = _split(graph, uses)
    rules = [use for use in uses if not isinstance(use.rule, FallbackRule)]
    layers: dict[Use, list[Tensor | None]] = {use: [] for use in rules}

    def hook(use: Use) -> Any:
        return lambda grads: layers[use].append(grads[0])

    handles = [use.node.register_prehook(hook(use)) for use in on_the_way]
    try:
        for t, own in enumerate(zip(*graph.cotangents(), strict=True)):
            found = dict(zip(asked, _grad(graph, asked, own), strict=True))
            kept.take_formed(t, [found.pop(use) for use in kept.formed])
            for use, g in found.items():
                layers[use].append(g)
    finally:
        for handle in handles:
            handle.remove()
    for use, grads in layers.items():
        there = [g for g in grads if g is not None]
        if there:
            kept.take(use, torch.stack([torch.zeros_like(there[0]) if g is None else g for g in grads]))


def _split(graph: Graph, uses: Sequence[Use]) -> tuple[list[Use], list[Use]]:
    """Those whose gradients are asked for, and those whose gradients go on, taken on their way."""
    passed = graph.with_something_below(use.node for use in uses)
    return [use for use in uses if use.node not in passed], [use for use in uses if use.node in passed]


def _grad(graph: Graph, asked: Sequence[Use], cotangents: Sequence[Tensor]) -> Sequence[Tensor | None]:
    return torch.autograd.grad(
        graph.outputs,
        [GradientEdge(use.node, 0) for use in asked],
        cotangents,
        retain_graph=True,
        allow_unused=True,
    )


class _HandOut(torch.autograd.Function):
    """Takes the whole batch out of `torch.vmap`, in which code sees one element of it."""

    @staticmethod
    def forward(grad: Tensor, take: Take, count: int) -> Tensor:
        take(grad.expand(count, *grad.shape))  # the same for all tasks
        return grad.new_zeros(())

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(
        info: Any, in_dims: Sequence[int | None], grad: Tensor, take: Take, count: int
    ) -> tuple[Tensor, None]:
        axis = in_dims[0]
        assert axis is not None
        take(grad.movedim(axis, 0))
        return grad.new_zeros(()), None


def _hand_out(grad: Tensor, take: Take, count: int) -> None:
    _HandOut.apply(grad, take, count)
