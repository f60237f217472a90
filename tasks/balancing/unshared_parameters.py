"""What one task alone reaches below the boundary, such as the encoder of a modality that only it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from sennit.tasks.balancing._boundary import Place
from sennit.tasks.balancing._ranks import reached_anywhere
from sennit.tasks.balancing._surrogate import leaves_of
from sennit.tasks.model.labelled_mean import agree_on_active
from torch import Tensor

if TYPE_CHECKING:
    from sennit.tasks.model.model import MultiTaskModel


def unweighted(
    model: MultiTaskModel, places: Sequence[Place], tasks: Sequence[str], weights: Tensor
) -> list[tuple[Tensor, Tensor]]:
    """What parameters that one task alone reaches lack, where they receive ``w_t g_t``: ``(1 − w_t) g_t``.

    They are not shared, so that no weight is theirs. A parameter with a hook stays weighted: the hook would
    see two gradients.

    Args:
        model: Whose parameters.
        places: The tasks' gradients at the boundary.
        tasks: The active tasks.
        weights: Of their gradients.

    Returns:
        Parameters, and what is to be added to the gradient of each.

    Shape:
        weights ``[T]``.
    """
    if not agree_on_active([len({tuple(place.tasks) for place in places}) > 1], weights.device)[0]:
        return []  # all tasks reach the same
    reached: dict[Tensor, int] = {}
    for place in places:
        on = sum(1 << tasks.index(t) for t in set(place.tasks))
        for x in leaves_of(place.tensor):
            reached[x] = reached.get(x, 0) | on
    reached = read_alone(model, tasks, reached)
    free = [p for p in model.parameters() if not p._backward_hooks]
    masks = reached_anywhere(free, reached, len(tasks))
    found: list[tuple[Tensor, Tensor]] = []
    for t, (name, rest) in enumerate(zip(tasks, 1 - weights, strict=True)):
        own = [p for p, mask in masks.items() if mask == 1 << t]
        ends = [
            (place.tensor, g)
            for place in places
            for reader, g in zip(place.tasks, place.gradients, strict=True)
            if reader == name and place.tensor.requires_grad
        ]
        if own and ends:
            outputs, given = zip(*ends, strict=True)
            gradients = torch.autograd.grad(outputs, own, given, retain_graph=True, allow_unused=True)
            found += [(p, rest.to(g.dtype) * g) for p, g in zip(own, gradients, strict=True) if g is not None]
    return found


def read_alone(
    model: MultiTaskModel, tasks: Sequence[str], reached: Mapping[Tensor, int]
) -> dict[Tensor, int]:
    """Without tasks that do not read an encoder's modality: in the graph it is there, as a missing one.

    Args:
        model: Whose encoders.
        tasks: The active tasks, in order.
        reached: The tasks from whose losses the graph leads to each parameter, as bits.
    """
    if all(task.reads is None for task in model.tasks.values()):
        return dict(reached)
    readers: dict[Tensor, int] = {}
    for modality, encoder in model.fused_encoder.leaves().items():
        on = 0
        for t, name in enumerate(tasks):
            reads = model.tasks[model.tasks[name].of or name].reads
            on |= (reads is None or modality in reads) << t
        for p in encoder.parameters():
            readers[p] = readers.get(p, 0) | on
    return {p: mask & readers.get(p, mask) for p, mask in reached.items()}
