"""Adam on one number for each task, whose state a weighting keeps in its buffers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

_STATE = ("mean", "variance", "steps")


def add_adam_state(module: nn.Module, tasks: int) -> None:
    """Give the module the buffers ``mean``, ``variance`` and ``steps`` ``[K]``."""
    for name in _STATE:
        module.register_buffer(name, torch.zeros(tasks))


def adam_step(
    module: nn.Module,
    values: Tensor,
    gradient: Tensor,
    active: Sequence[bool],
    finite: Tensor,
    *,
    lr: float,
    weight_decay: float = 0.0,
) -> Tensor:
    """Return the values after a step of Adam; those of other tasks, and their state, stay as they are.

    Every task counts its own steps. The step is that of `torch.optim.Adam`, with the paper's β and ε.
    Source: Kingma & Ba 2015, "Adam" (algorithm 1).

    Args:
        module: Weighting that has the state.
        values: Numbers of the tasks.
        gradient: Gradient of each.
        active: Flag of each task: whether it takes part.
        finite: Mask of the tasks whose loss is finite; the others do not move.
        lr: Learning rate.
        weight_decay: Factor of the values that is added to the gradient.

    Shape:
        values, gradient and result ``[K]``, finite ``[K]`` of bool.
    """
    before = [values, *(module.get_buffer(name) for name in _STATE)]
    after = [x.clone() for x in before]
    rows = [[x[k] for k, on in enumerate(active) if on] for x in (*after, gradient.where(finite, 0))]
    numbers, means, variances, steps, gradients = rows
    with torch.no_grad():
        adam(
            numbers,
            gradients,
            means,
            variances,
            [],
            steps,
            capturable=values.is_cuda,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=lr,
            weight_decay=weight_decay,
            eps=1e-8,
            maximize=False,
        )
    moved, *state = [torch.where(finite, new, old) for new, old in zip(after, before, strict=True)]
    for name, value in zip(_STATE, state, strict=True):
        setattr(module, name, value)
    return moved
