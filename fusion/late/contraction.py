"""Contraction of a weight with one vector for each of its modes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Contraction(nn.Module):
    """``h_e = Σ_{i,j,…} W_{ij…e} x_i y_j …`` for each sample, without the outer product of all vectors.

    The vectors of some modes are multiplied out and contracted with the weight in one matrix product;
    the rest is contracted mode by mode. Of all partitions of the modes, `partition` chooses the one that
    holds the fewest numbers for a sample; the matrix product costs the same in each. The weight is kept in
    that order, so that it is never copied.

    Args:
        dims: Sizes of the vectors.
        out: Size of the result.

    Shape:
        vectors ``[B, D_m]`` each, result ``[B, out]``, weight ``[∏ first, rest…, out]``.

    Example:
        >>> form = Contraction((2, 1), 2)
        >>> form.load(torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]))
        >>> form([torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])]).tolist()
        [[3.0, 6.0]]
    """

    def __init__(self, dims: Sequence[int], out: int) -> None:
        super().__init__()
        self.dims, self.out = tuple(dims), out
        self.first, self.rest = partition(self.dims, out)
        bound = math.prod(dims) ** -0.5  # as in a linear layer on the outer product
        joint = math.prod(dims[m] for m in self.first)
        shape = (joint, *(dims[m] for m in self.rest), out)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))

    def load(self, weight: Tensor) -> None:
        """Copy the weight ``[D_1, …, D_M, out]`` into this layout."""
        ordered = weight.detach().permute(*self.first, *self.rest, len(self.dims))
        with torch.no_grad():
            self.weight.copy_(ordered.reshape(self.weight.shape))

    def forward(self, vectors: Sequence[Tensor]) -> Tensor:
        joint = vectors[self.first[0]]
        for m in self.first[1:]:
            joint = (joint.unsqueeze(2) * vectors[m].unsqueeze(1)).flatten(1)
        h = joint @ self.weight.flatten(1)
        for m in self.rest:
            h = torch.bmm(vectors[m].unsqueeze(1), h.view(h.shape[0], self.dims[m], -1)).squeeze(1)
        return h


def partition(dims: Sequence[int], out: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which modes are multiplied out first, and in which order the others follow.

    Three modes or more are never multiplied out all together.

    Example:
        >>> partition((33, 33, 33), 128)
        ((0, 1), (2,))
    """
    modes = range(len(dims))
    most = len(dims) - 1 if len(dims) > 2 else len(dims)
    best: tuple[tuple[int, ...], tuple[int, ...]] = (0,), tuple(modes[1:])
    least = math.inf
    for count in range(1, most + 1):
        for first in itertools.combinations(modes, count):
            # The largest of the others first, which leaves the smallest result.
            rest = tuple(sorted((m for m in modes if m not in first), key=lambda m: (-dims[m], m)))
            numbers = sum(math.prod(dims[m] for m in first[:i]) for i in range(2, count + 1))
            numbers += sum(out * math.prod(dims[m] for m in rest[i:]) for i in range(len(rest) + 1))
            if numbers < least:
                best, least = (first, rest), numbers
    return best
