"""A check at the first step that the Gramians are those of the gradients of an ordinary backward pass."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.tasks.balancing.gramian._graph import Graph


def check_gramians(graph: Graph, gramians: Mapping[Tensor, Tensor], names: Mapping[int, str]) -> None:
    """Check that ``Σ_st G_st`` of each parameter is ``‖Σ_t ∂L_t/∂θ‖²``, by one ordinary backward pass.

    Args:
        graph: Graph of the step; it is retained.
        gramians: Gramian of each parameter.
        names: Name of each parameter, by ``id``.

    Raises:
        RuntimeError: They differ; the parameter is named.
    """
    parameters = list(gramians)
    if not parameters:
        return
    together = [g.sum(0) for g in graph.cotangents()]
    gradients = torch.autograd.grad(graph.outputs, parameters, together, retain_graph=True, allow_unused=True)
    tolerance = 0.1 if graph.is_mixed() else 1e-3
    total = sum(float(g.abs().sum()) for g in gramians.values())
    for p, g in zip(parameters, gradients, strict=True):
        expected = 0.0 if g is None else float(g.to(gramians[p].dtype).square().sum())
        squared, size = float(gramians[p].sum()), float(gramians[p].abs().sum())
        # Parameters without effect (a bias before a norm) have gradients of rounding errors alone.
        if abs(squared - expected) > tolerance * size + 1e-5 * total:
            raise RuntimeError(
                f"the squared norm of the gradient of '{names[id(p)]}' should be {expected:.6g}, as an "
                f"ordinary backward gives it. Found {squared:.6g} from the tasks' gradients together. "
                f"Something below the features changes gradients on their way (a hook, or random numbers "
                f"drawn anew in a checkpoint). Remove it, or balance with level='features'."
            )
