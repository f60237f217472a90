"""Weights of the members of an ensemble, by greedy selection on validation rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_ROUNDS = 20


def greedy_weights(outputs: Tensor, loss: Callable[[Tensor], float], *, rounds: int = _ROUNDS) -> Tensor:
    """Return the weights of the mean that has the least loss, found by adding one member at a time.

    A member may be added again. The mean of all members is the start that has to be beaten, so that a few
    validation rows do not choose a single member by chance.

    Source: Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.

    Args:
        outputs: Output of each member for each row, of which a mean is an output: probabilities, numbers.
        loss: Function from outputs ``[N, ...]`` to the loss on these rows.
        rounds: Number of members to add.

    Shape:
        outputs ``[members, N, ...]``; result ``[members]``, of sum 1.

    Example:
        >>> true = torch.tensor([1.0, 2.0, 3.0])
        >>> outputs = torch.stack([true + 1, true - 1, true + 5])
        >>> greedy_weights(outputs, lambda x: float((x - true).square().mean())).tolist()
        [0.5, 0.5, 0.0]
    """
    members = len(outputs)
    best = torch.full((members,), 1 / members, dtype=torch.float64)
    least = loss(outputs.mean(0))
    total, counts = torch.zeros_like(outputs[0]), torch.zeros(members, dtype=torch.float64)
    for size in range(1, rounds + 1):
        losses = [loss((total + outputs[k]) / size) for k in range(members)]
        k = min(range(members), key=losses.__getitem__)
        total, counts[k] = total + outputs[k], counts[k] + 1
        if losses[k] < least:
            least, best = losses[k], counts / size
    return best
