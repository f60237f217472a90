"""The graph of a forward pass below the boundary: where parameters are used, and by which tasks."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node, get_gradient_edge

from sennit.tasks.balancing.boundary import BoundaryGradients
from sennit.tasks.balancing.gramian._rule import RULES, Rule
from sennit.tasks.balancing.gramian.fallback import FallbackRule

MOVES = {
    "AliasBackward0",
    "PermuteBackward0",
    "ReshapeAliasBackward0",
    "SqueezeBackward1",
    "TBackward0",
    "ToCopyBackward0",
    "TransposeBackward0",
    "UnsafeViewBackward0",
    "UnsqueezeBackward0",
    "ViewBackward0",
}
"""Operations that only change a weight's layout or precision: inner products stay."""

ONE_BY_ONE = {"CudnnRnnBackward0", "MiopenRnnBackward0", "MkldnnRnnLayerBackward0", "CtcLossBackward0"}
"""Operations whose backward pass cannot take a batch of gradients."""

HIDING = {"CheckpointFunctionBackward"}
"""Operations whose backward pass runs a separate graph, in which parameters are hidden."""


@dataclass(frozen=True, eq=False)
class Use:
    """A parameter, and the rule for the gradients that arrive at a node: the parameter's or an operation's.

    Attributes:
        moves: Nodes between the operation and the parameter, in this order.
    """

    parameter: Tensor
    node: Node
    rule: Rule
    moves: Sequence[Any] = ()


class Graph:
    """The graph from which the boundary tensors were computed.

    Args:
        boundaries: Boundary tensors, with the gradients of the tasks that read them.
        tasks: Names of all tasks, in order.

    Attributes:
        count: Number of tasks, T.
        outputs: The boundary tensors.
        batches: Whether the backward pass of every operation takes a batch of gradients.
        kept: Whether the inputs of all operations are in memory, not recomputed or fetched when read.

    Raises:
        TypeError: An operation hides parameters from the graph.
    """

    def __init__(self, boundaries: Sequence[BoundaryGradients], tasks: Sequence[str]) -> None:
        self.count = len(tasks)
        self.outputs = [b.tensor for b in boundaries]
        self._boundaries, self._tasks = boundaries, list(tasks)
        self._roots = [get_gradient_edge(x).node for x in self.outputs]
        self._below: dict[Node, list[Node]] = {}
        self._order = self._sorted()
        self._entries = Counter(child for below in self._below.values() for child in below)
        names = {node.name() for node in self._order}
        hidden = names & HIDING
        if hidden:
            raise TypeError(
                f"balancing at the parameters should see every operation of the shared part. Found "
                f"{sorted(hidden)}, which runs a separate graph. Checkpoint with use_reentrant=False, or "
                f"balance with level='features'."
            )
        custom = any(isinstance(node, BackwardCFunction) for node in self._order)
        self.kept = not any(_is_packed(node) for node in self._order)
        self.batches = self.kept and not custom and names.isdisjoint(ONE_BY_ONE)

    @property
    def batched(self) -> bool:
        """Whether the gradients of all tasks go through the graph as one batch.

        Not on a CPU, whose kernels gain nothing from a larger batch and lose on the copies in between (a half
        for convolutions and norms). There one backward pass follows the other and forms only what the rules
        need.
        """
        return self.batches and all(x.device.type != "cpu" for x in self.outputs)

    def is_mixed(self) -> bool:
        """Return whether anything was computed in half precision."""
        inputs = (kind for node in self._order for kind in getattr(node, "_input_metadata", ()))
        return any(kind.dtype in (torch.float16, torch.bfloat16) for kind in inputs)

    def _sorted(self) -> list[Node]:
        """Return all nodes, each after those to which it passes gradients."""
        order: list[Node] = []
        stack = [(root, False) for root in self._roots]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in self._below:
                below = [child for child, _ in node.next_functions if child is not None]
                self._below[node] = below
                stack.append((node, True))
                stack.extend((child, False) for child in below if child not in self._below)
        return order

    def cotangents(self) -> list[Tensor]:
        """Return each boundary tensor's gradients ``[T, ...]``; zero for tasks that do not read it."""
        cotangents = []
        for boundary in self._boundaries:
            if boundary.tasks == self._tasks:
                cotangents.append(boundary.stacked)
                continue
            of_all = boundary.gradients[0].new_zeros(self.count, *boundary.tensor.shape)
            for task, g in zip(boundary.tasks, boundary.gradients, strict=True):
                of_all[self._tasks.index(task)] += g
            cotangents.append(of_all)
        return cotangents

    def parameters(self) -> dict[Tensor, int]:
        """Return every parameter below the boundary, with the tasks whose losses reach it, as bits."""
        masks = dict.fromkeys(self._order, 0)
        for root, boundary in zip(self._roots, self._boundaries, strict=True):
            for task in boundary.tasks:
                masks[root] |= 1 << self._tasks.index(task)
        for node in reversed(self._order):
            for child in self._below[node]:
                masks[child] |= masks[node]
        return {_variable(node): masks[node] for node in self._order if _is_parameter(node)}

    def uses(self, parameters: Collection[Tensor], *, rules: bool = True) -> list[Use]:
        """Return, for each of the parameters in the graph, the rule that gives its gradients.

        Args:
            parameters: Parameters.
            rules: Whether rules other than the fallback may be used.
        """
        wanted = {id(p) for p in parameters}
        uses: dict[int, Use] = {}
        for node in self._order if rules and self.kept else ():
            index, rule = RULES.get(node.name(), (0, None))
            if rule is None or not rule.fits(node):
                continue
            moves, end = self._way_to_parameter(node, index)
            if end is None or id(end) not in wanted:
                continue
            bound = rule(node)
            # Where one backward pass follows the other, it forms small gradients of weights at less cost.
            if self.batched or bound.is_shorter(self.count, node._input_metadata[0].shape):
                uses[id(end)] = Use(end, node, bound, moves)
        for node in self._order:
            if _is_parameter(node) and id(_variable(node)) in wanted:
                p = _variable(node)
                uses.setdefault(id(p), Use(p, node, FallbackRule(node)))
        return list(uses.values())

    def _way_to_parameter(self, node: Node, index: int) -> tuple[list[Node], Tensor | None]:
        """Return the moves to a node's input parameter, and the parameter if nothing else reads it."""
        moves: list[Node] = []
        end = node.next_functions[index][0]
        while end is not None and end.name() in MOVES and self._entries[end] == 1:
            moves.append(end)
            end = self._below[end][0]
        if end is None or not _is_parameter(end) or self._entries[end] != 1:
            return moves, None
        parameter = _variable(end)
        return moves, None if parameter._backward_hooks else parameter  # hooks may change its gradient

    def with_something_below(self, nodes: Iterable[Node]) -> set[Node]:
        """Return the nodes that a gradient passes on its way to another of them."""
        wanted = set(nodes)
        passed: set[Node] = set()
        for node in self._order:
            if any(child in wanted or child in passed for child in self._below[node]):
                passed.add(node)
        return passed & wanted


def _is_packed(node: Node) -> bool:
    """Return whether a checkpoint, or another hook of saved tensors, holds the operation's inputs."""
    for name in _saved(type(node)):
        saved = getattr(node, name)
        for one in saved if isinstance(saved, tuple) else (saved,):
            if one.unpack_hook is not None:
                return True
    return False


@functools.cache
def _saved(kind: type[Node]) -> tuple[str, ...]:
    return tuple(name for name in dir(kind) if name.startswith("_raw_saved_"))


def _is_parameter(node: Node) -> bool:
    return hasattr(node, "variable")


def _variable(node: Any) -> Tensor:
    variable: Tensor = node.variable
    return variable
