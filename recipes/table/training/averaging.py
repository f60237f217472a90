"""Weighted means of the answers of several members."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.tasks import Classification, MultiLabel, Task

_LEAST = 1e-7  # probability


def row_weights(weight: Tensor, readable: Tensor) -> Tensor:
    """Return the weights of members in each row: their own among those that can read it.

    Where all of these have the weight 0, they have equal ones.

    Shape:
        weight ``[members]``, readable ``[members, B]``; result ``[members, B]``, of sum 1 over the members.

    Example:
        >>> row_weights(torch.tensor([0.5, 0.0, 0.5]), torch.tensor([[True], [True], [False]])).flatten()
        tensor([1., 0., 0.])
    """
    here = weight.unsqueeze(1) * readable
    here = torch.where(here.sum(0) > 0, here, readable.to(weight))
    return here / here.sum(0)


def combined(task: Task, outputs: Tensor, weight: Tensor) -> Tensor:
    """Return the outputs whose answer is the weighted mean of the members' answers.

    Args:
        task: Task of the outputs.
        outputs: Output of each member.
        weight: Weight of each member, for each row; their sum over the members is 1.

    Shape:
        outputs ``[members, B, ...]``, weight ``[members, B]``, result ``[B, ...]``.
    """
    weight = weight.reshape(*weight.shape, *[1] * (outputs.dim() - 2))
    mean = (answers(task, outputs) * weight).sum(0)
    if type(task) is Classification:
        return mean.clamp_min(_LEAST).log()
    return mean.clamp(_LEAST, 1 - _LEAST).logit() if type(task) is MultiLabel else mean


def answers(task: Task, outputs: Tensor) -> Tensor:
    """Return what a mean is taken of: probabilities of classes and labels, else the outputs themselves."""
    if type(task) is Classification:
        return outputs.softmax(-1)
    return outputs.sigmoid() if type(task) is MultiLabel else outputs
