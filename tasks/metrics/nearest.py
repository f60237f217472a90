"""Recall at 1 of embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

_ROWS = 1024
"""Rows of the similarity matrix that are held at a time."""


def nearest_is_of_class(x: Tensor, target: Tensor) -> Tensor:
    """Return the share of unit vectors whose nearest neighbour is of their class (recall at 1).

    A single vector has no neighbour, and counts as a miss.

    Shape:
        x ``[N, D]``, target ``[N]``, result a scalar.

    Example:
        >>> nearest_is_of_class(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([0, 0, 1]))
        tensor(0.6667)
    """
    if len(x) < 2:
        return x.new_zeros(())
    hits = x.new_zeros(())
    for start in range(0, len(x), _ROWS):
        similar = x[start : start + _ROWS] @ x.T
        rows = torch.arange(len(similar), device=x.device)
        similar[rows, start + rows] = -torch.inf
        hits = hits + (target[similar.argmax(1)] == target[start : start + _ROWS]).sum()
    return hits / len(x)
