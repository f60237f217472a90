"""Gates: how a task weighs experts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Gates(nn.Module):
    """For each task a linear map and a softmax over experts, without a bias.

    Every task's map is a module of its own, so that an inactive task's gets no gradient.

    Args:
        tasks: How many.
        in_dim: Size of what a gate reads.
        experts: How many each gate weighs.

    Example:
        >>> gates = Gates(2, 4, 3)
        >>> gates(torch.randn(5, 4), [0, 1]).sum(-1).detach().round(decimals=5).unique()
        tensor([1.])
    """

    def __init__(self, tasks: int, in_dim: int, experts: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(in_dim, experts, bias=False) for _ in range(tasks))

    def forward(self, x: Tensor, chosen: Sequence[int], learns: Sequence[bool] | None = None) -> Tensor:
        """The weights of some tasks' gates.

        Args:
            x: What every gate reads ``[N, D]``, or each its own ``[T, N, D]``.
            chosen: Which tasks.
            learns: Which of those get gradients; all by default.

        Returns:
            ``[T, N, E]``; sums of one over the experts.
        """
        known = [True] * len(chosen) if learns is None else learns
        own = [self.maps[t].get_parameter("weight") for t in chosen]
        weight = torch.stack([w if on else w.detach() for w, on in zip(own, known, strict=True)])
        return (x @ weight.mT).softmax(-1)


def mix(weights: Tensor, vectors: Tensor) -> Tensor:
    """Sums of experts' vectors, weighted for each task and sample.

    Shape:
        weights ``[T, N, E]``; vectors ``[E, N, D]``, or ``[T, E, N, D]`` where each task has its own;
        result ``[T, N, D]``.
    """
    own = "t" if vectors.dim() == 4 else ""
    return torch.einsum(f"tne,{own}end->tnd", weights, vectors)
