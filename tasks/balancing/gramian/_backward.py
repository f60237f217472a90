"""One backward pass for the gradients of all tasks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge

from sennit.tasks.balancing.gramian._graph import Graph, Use
from sennit.tasks.balancing.gramian._task_gradients import TaskGradients
from sennit.tasks.balancing.gramian.fallback import FallbackRule

Take = Callable[[Tensor], None]


def each_gramian(graph: Graph, uses: Sequence[Use]) -> dict[Tensor, Tensor]:
    """Return the inner products ``[T, T]`` of the tasks' gradients of each parameter, at least in float32.

    Where the tasks go through the graph together, each gradient is freed as soon as it is used.
    """
    if not graph.batched:
        return each_gradient(graph, uses).gramian_of_each()
    gramians: dict[Tensor, Tensor] = {}

    def take(use: Use, grads: Tensor) -> None:
        gramians[use.parameter] = use.rule.products(grads)

    _together(graph, uses, take)
    return gramians


def each_gradient(graph: Graph, uses: Sequence[Use]) -> TaskGradients:
    """Return the tasks' gradients at each use."""
    kept = TaskGradients(uses, graph.count, graph.outputs[0])
    if graph.batched:
        kept.flat.zero_()
        _together(graph, uses, kept.take)
    else:
        _one_by_one(graph, uses, kept)
    return kept


@torch.no_grad()
def _together(graph: Graph, uses: Sequence[Use], take: Callable[[Use, Tensor], None]) -> None:
    """Pass the tasks' gradients at each use to ``take``, as soon as they are computed."""
    asked, on_the_way = _split(graph, uses)
    if not uses:
        return

    def taker(use: Use) -> Take:
        return lambda grads: take(use, grads)

    def hook(use: Use) -> Any:
        take_here = taker(use)
        return lambda grads: None if grads[0] is None else _hand_out(grads[0], take_here, graph.count)

    def backward(*cotangents: Tensor) -> Tensor:
        for use, g in zip(asked, _grad(graph, asked, cotangents), strict=True):
            if g is not None:
                _hand_out(g, taker(use), graph.count)
        return cotangents[0].new_zeros(())

    handles = [use.node.register_prehook(hook(use)) for use in on_the_way]
    try:
        with warnings.catch_warnings():
            # Raised by operations that process the batch one by one, as attention does.
            warnings.filterwarnings("ignore", message="There is a performance drop because")
            torch.vmap(backward, randomness="same")(*graph.cotangents())
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _one_by_one(graph: Graph, uses: Sequence[Use], kept: TaskGradients) -> None:
    """Run one ordinary backward pass after the other; only what the rules need is formed and kept."""
    asked, on_the_way = _split(graph, uses)
    rules = [use for use in uses if not isinstance(use.rule, FallbackRule)]
    layers: dict[Use, list[Tensor | None]] = {use: [] for use in rules}

    def hook(use: Use) -> Any:
        return lambda grads: layers[use].append(grads[0])

    handles = [use.node.register_prehook(hook(use)) for use in on_the_way]
    try:
        for t, cotangents in enumerate(zip(*graph.cotangents(), strict=True)):
            gradients = dict(zip(asked, _grad(graph, asked, cotangents), strict=True))
            kept.take_formed(t, [gradients.pop(use) for use in kept.formed])
            for use, g in gradients.items():
                layers[use].append(g)
    finally:
        for handle in handles:
            handle.remove()
    for use, grads in layers.items():
        reached = [g for g in grads if g is not None]
        if reached:
            kept.take(use, torch.stack([torch.zeros_like(reached[0]) if g is None else g for g in grads]))


def _split(graph: Graph, uses: Sequence[Use]) -> tuple[list[Use], list[Use]]:
    """Split the uses into ends of the backward pass, and those whose gradients are taken on their way."""
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
    """Hands the whole batch out of `torch.vmap`, inside which code sees a single element."""

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
