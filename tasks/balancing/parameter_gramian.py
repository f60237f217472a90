"""The Gramian of the tasks' gradients with respect to the parameters that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch import distributed as dist

from sennit.tasks.balancing.boundary import BoundaryGradients
from sennit.tasks.balancing.gramian import (
    Graph,
    TaskGradients,
    check_gramians,
    each_gradient,
    each_gramian,
    inner_products,
)
from sennit.tasks.balancing.unshared_parameters import reached_on_any_rank, without_unread
from sennit.tasks.model.network import Network

_CHECKED: WeakSet[Network] = WeakSet()
"""Models whose first step was compared."""


def parameter_gramian(
    model: Network, boundaries: Sequence[BoundaryGradients], tasks: Sequence[str]
) -> tuple[Tensor, TaskGradients | None]:
    """Return ``G_st = ⟨∂L_s/∂θ, ∂L_t/∂θ⟩`` over the shared parameters θ, without the T × P Jacobian.

    Shared are the parameters below the boundary which the losses of two active tasks or more reach, and
    all parameters reached by a task that shares none of them. At a model's first step the Gramian is
    compared with the gradient that one ordinary backward gives.

    Source: the per-layer Gramians of Rebuffi, Quinton & Rey 2024, "Jacobian Descent For Multi-Objective
    Optimization" (§6), here for the losses of tasks, from the gradients at the outputs of layers.

    Under torch.distributed the gradient of a task is the sum of those of the ranks, whose inner products
    have terms between ranks. There each task's gradient of each parameter is formed and summed over the
    ranks: as much communication as T ordinary steps.

    Args:
        model: Model.
        boundaries: Gradients of the tasks at the boundary.
        tasks: Names of the active tasks.

    Returns:
        The Gramian ``[T, T]``, at least in float32, and the tasks' gradients of everything below the
        boundary, from which `TaskGradients.mixed` makes those of the step without another backward; None
        where they were not kept or are not complete.

    Raises:
        TypeError: A module hides its parameters from the graph.
        ValueError: Nothing that the tasks share learns.
        RuntimeError: The comparison failed; the parameter is named.
    """
    graph = Graph([b for b in boundaries if b.tensor.requires_grad], tasks)
    # Inputs that learn are left out.
    reached: dict[Tensor, int] = {p: m for p, m in graph.parameters().items() if isinstance(p, nn.Parameter)}
    reached = without_unread(model, tasks, reached)
    together = dist.is_initialized() and dist.get_world_size() > 1
    if together:
        reached = reached_on_any_rank(list(model.parameters()), reached, len(tasks))
    shared = _shared(reached)
    if not shared:
        raise ValueError(
            "balancing at the parameters needs parameters that the tasks share and that learn. Found none "
            "below the features that the heads read. Freeze less, or balance with level='features'."
        )
    uses = graph.uses(shared, rules=not together)
    kept = each_gradient(graph, uses) if together or not graph.batched else None
    if model not in _CHECKED or kept is None:
        gramians = each_gramian(graph, uses) if kept is None else kept.gramian_of_each()
    if model not in _CHECKED:
        check_gramians(graph, gramians, {id(p): name for name, p in model.named_parameters()})
        _CHECKED.add(model)
    if kept is None:
        return torch.stack(list(gramians.values())).sum(0), None
    gramian = _over_ranks(kept.of_each, shared, graph.count) if together else kept.gramian()
    # A hook of a parameter has seen them already.
    free = {use.parameter for use in uses if not (use.parameter._backward_hooks or use.rule.sparse)}
    return gramian, kept if graph.parameters().keys() == free else None


def _shared(reached: Mapping[Tensor, int]) -> list[Tensor]:
    several = [tasks for tasks in reached.values() if tasks.bit_count() > 1]
    sharing = reduce(or_, several, 0)
    return [p for p, tasks in reached.items() if tasks.bit_count() > 1 or tasks & ~sharing]


def _over_ranks(gradients_of: Mapping[Tensor, Tensor], shared: Sequence[Tensor], count: int) -> Tensor:
    """Return the inner products of the tasks' gradients of the joined batch, in one order on every rank."""
    products = []
    for p in shared:
        gradients = gradients_of[p] if p in gradients_of else p.new_zeros(count, *p.shape)
        # Each rank's loss is scaled up by the number of ranks, so that DDP's average is the sum.
        gradients = (gradients / dist.get_world_size()).contiguous()
        dist.all_reduce(gradients)
        products.append(inner_products(gradients))
    return torch.stack(products).sum(0)
