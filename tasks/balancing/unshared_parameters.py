"""Parameters below the boundary that one task alone reaches.

An example is the encoder of a modality that no other task reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.tasks.balancing.boundary import BoundaryGradients
from sennit.tasks.balancing.surrogate import leaves_of
from sennit.tasks.model.labelled_mean import any_rank
from sennit.tasks.model.network import Network


def unweighted(
    model: Network, boundaries: Sequence[BoundaryGradients], tasks: Sequence[str], weights: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """Return the corrections ``(1 − w_t) g_t`` of parameters that one task alone reaches.

    The step gives them ``w_t g_t``, but they are not shared, so that no weight applies. A parameter with a
    hook stays weighted: the hook would see two gradients.

    Args:
        model: Model.
        boundaries: Gradients of the tasks at the boundary.
        tasks: Names of the active tasks.
        weights: Weights of their gradients.

    Returns:
        Parameters, and the tensor to be added to the gradient of each.

    Shape:
        weights ``[T]``.
    """
    if not any_rank([len({tuple(b.tasks) for b in boundaries}) > 1], weights.device)[0]:
        return []  # all tasks reach the same
    reached: dict[Tensor, int] = {}
    for boundary in boundaries:
        bits = sum(1 << tasks.index(t) for t in set(boundary.tasks))
        for x in leaves_of(boundary.tensor):
            reached[x] = reached.get(x, 0) | bits
    reached = without_unread(model, tasks, reached)
    free = [p for p in model.parameters() if not p._backward_hooks]
    masks = reached_on_any_rank(free, reached, len(tasks))
    corrections: list[tuple[Tensor, Tensor]] = []
    for t, (name, rest) in enumerate(zip(tasks, 1 - weights, strict=True)):
        alone = [p for p, mask in masks.items() if mask == 1 << t]
        ends = [
            (boundary.tensor, g)
            for boundary in boundaries
            for reader, g in zip(boundary.tasks, boundary.gradients, strict=True)
            if reader == name and boundary.tensor.requires_grad
        ]
        if alone and ends:
            outputs, grads = zip(*ends, strict=True)
            gradients = torch.autograd.grad(outputs, alone, grads, retain_graph=True, allow_unused=True)
            pairs = zip(alone, gradients, strict=True)
            corrections += [(p, rest.to(g.dtype) * g) for p, g in pairs if g is not None]
    return corrections


def without_unread(model: Network, tasks: Sequence[str], reached: Mapping[Tensor, int]) -> dict[Tensor, int]:
    """Clear the bits of tasks that do not read an encoder's modality.

    The graph leads to such an encoder, whose modality is a missing one there.

    Args:
        model: Model.
        tasks: Names of the active tasks, in order.
        reached: Tasks from whose losses the graph leads to each parameter, as bits.
    """
    if all(reads is None for reads in model.reads.values()):
        return dict(reached)
    readers: dict[Tensor, int] = {}
    for modality, encoder in model.fused_encoder.leaves().items():
        bits = 0
        for t, name in enumerate(tasks):
            reads = model.reads[name]
            bits |= (reads is None or modality in reads) << t
        for p in encoder.parameters():
            readers[p] = readers.get(p, 0) | bits
    return {p: mask & readers.get(p, mask) for p, mask in reached.items()}


def reached_on_any_rank(
    parameters: Sequence[Tensor], reached: Mapping[Tensor, int], count: int
) -> dict[Tensor, int]:
    """Return the tasks that reach each parameter on any rank, in the order of the model, equal on all ranks.

    Args:
        parameters: Parameters of the model.
        reached: Tasks that reach each on this rank, as bits.
        count: Number of tasks.
    """
    if not dist.is_initialized():
        return {p: reached[p] for p in parameters if p in reached}
    rows = [[reached.get(p, 0) >> t & 1 for t in range(count)] for p in parameters]
    flags = torch.tensor(rows, dtype=torch.uint8, device=parameters[0].device)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX)
    masks = [sum(bit << t for t, bit in enumerate(row)) for row in flags.tolist()]
    return {p: mask for p, mask in zip(parameters, masks, strict=True) if mask}
