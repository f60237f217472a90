"""Gates, by which a task weighs experts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Gates(nn.Module):
    """A linear map without bias and a softmax over experts for each task.

    The maps are separate modules, so that the map of an inactive task gets no gradient.

    Args:
        tasks: Number of tasks.
        in_dim: Size of a gate's input.
        experts: Number of experts that each gate weighs.

    Example:
        >>> gates = Gates(2, 4, 3)
        >>> gates(torch.randn(5, 4), [0, 1]).sum(-1).detach().round(decimals=5).unique()
        tensor([1.])
    """

    def __init__(self, tasks: int, in_dim: int, experts: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(in_dim, experts, bias=False) for _ in range(tasks))

    def forward(self, x: Tensor, chosen: Sequence[int], learns: Sequence[bool] | None = None) -> Tensor:
        """Return the weights of the gates of the chosen tasks.

        Args:
            x: Input of every gate ``[N, D]``, or of each gate ``[T, N, D]``.
            chosen: Indices of the tasks.
            learns: Whether each of those gets gradients; all by default.

        Returns:
            Weights ``[T, N, E]`` that sum to one over the experts.
        """
        learning = [True] * len(chosen) if learns is None else learns
        weights = [self.maps[t].get_parameter("weight") for t in chosen]
        weight = torch.stack([w if on else w.detach() for w, on in zip(weights, learning, strict=True)])
        return (x @ weight.mT).softmax(-1)


def mix(weights: Tensor, vectors: Tensor) -> Tensor:
    """Return sums of the experts' vectors, weighted for each task and sample.

    Shape:
        weights ``[T, N, E]``; vectors ``[E, N, D]``, or ``[T, E, N, D]`` where each task has its own;
        result ``[T, N, D]``.
    """
    task = "t" if vectors.dim() == 4 else ""
    return torch.einsum(f"tne,{task}end->tnd", weights, vectors)
