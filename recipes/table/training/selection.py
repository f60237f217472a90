"""Weights of the members of an ensemble, by greedy selection on validation rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_ROUNDS = 20


def greedy_weights(members: int, loss: Callable[[Tensor], float], *, rounds: int = _ROUNDS) -> Tensor:
    """Return the weights of least loss that are reached by adding one member at a time.

    A member may be added again. Equal weights are the start that has to be beaten, so that a few validation
    rows do not choose a single member by chance.

    Source: Caruana et al., "Ensemble Selection from Libraries of Models", ICML 2004.

    Args:
        members: Number of members.
        loss: Function from weights ``[members]``, of sum 1, to the loss.
        rounds: Number of members to add.

    Shape:
        result ``[members]``, of sum 1.

    Example:
        >>> true = torch.tensor([1.0, 2.0, 3.0])
        >>> outputs = torch.stack([true + 1, true - 1, true + 5])
        >>> greedy_weights(3, lambda w: float((w.float() @ outputs - true).square().mean())).tolist()
        [0.5, 0.5, 0.0]
    """
    best = torch.full((members,), 1 / members, dtype=torch.float64)
    least = loss(best)
    counts, added = torch.zeros(members, dtype=torch.float64), torch.eye(members, dtype=torch.float64)
    for size in range(1, rounds + 1):
        losses = [loss((counts + one) / size) for one in added]
        k = min(range(members), key=losses.__getitem__)
        counts = counts + added[k]
        if losses[k] < least:
            least, best = losses[k], counts / size
    return best


def bagged_weights(
    members: int, rows: int, loss: Callable[[Tensor, Tensor], float], *, draws: int = 20, seed: int = 0
) -> Tensor:
    """Return the mean of `greedy_weights` over random draws of the rows, so that no few rows decide.

    Source: section 3.3, "Bagged Ensemble Selection", of Caruana et al. 2004; rows are drawn in place of
    members, which are few here.

    Args:
        members: Number of members.
        rows: Number of rows.
        loss: Function from weights ``[members]`` and places of rows to the loss on these.
        draws: Number of draws, each of as many rows as there are, with repetition.
        seed: Random seed.

    Shape:
        result ``[members]``, of sum 1.

    Example:
        >>> true = torch.randn(40, generator=torch.Generator().manual_seed(0))
        >>> outputs = torch.stack([true + 1, true - 1, true + 5])
        >>> bagged_weights(
        ...     3, 40, lambda w, i: float((w.float() @ outputs - true)[i].square().mean())
        ... ).tolist()
        [0.5, 0.5, 0.0]
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randint(rows, (rows,), generator=generator) for _ in range(draws)]
    each = [greedy_weights(members, lambda weights, i=i: loss(weights, i)) for i in drawn]  # type: ignore[misc]
    return torch.stack(each).mean(0)
