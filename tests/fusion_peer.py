"""A stand-in for the peers' files of fusions: their names and shapes, the 1 in front, factors in a list."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Concat(nn.Module):
    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(xs), 1)


class TensorFusion(nn.Module):
    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        joint = torch.ones(len(xs[0]), 1)
        for x in xs:
            with_one = torch.cat([torch.ones(len(x), 1), x], 1)
            joint = torch.einsum("bi,bj->bij", joint, with_one).flatten(1)
        return joint


class LowRankTensorFusion(nn.Module):
    def __init__(self, input_dims: Sequence[int], output_dim: int, rank: int) -> None:
        super().__init__()
        self.factors = [nn.Parameter(torch.randn(rank, d + 1, output_dim)) for d in input_dims]
        self.fusion_weights = nn.Parameter(torch.randn(1, rank))
        self.fusion_bias = nn.Parameter(torch.randn(1, output_dim))

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        product = torch.ones(())
        for x, factor in zip(xs, self.factors, strict=True):
            product = product * torch.cat([torch.ones(len(x), 1), x], 1).matmul(factor)
        return torch.einsum("r,rbe->be", self.fusion_weights[0], product) + self.fusion_bias


class BimodalInteractionFusion(nn.Module):
    def __init__(self, input_dims: Sequence[int], output_dim: int | None, output: str) -> None:
        super().__init__()
        first, second = input_dims
        self.matrix = output == "matrix"
        more = (output_dim,) if output_dim is not None else ()
        self.W = nn.Parameter(torch.randn(first, second, *more))
        self.U = nn.Parameter(torch.randn(first, *(more or (second,))))
        self.V = nn.Parameter(torch.randn(second, *more))
        self.b = nn.Parameter(torch.randn(more or (second,)))

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        weight = torch.einsum("bn,n...->b...", xs[0], self.W) + self.V
        bias = xs[0] @ self.U + self.b
        return (torch.einsum("bm,bmd->bd", xs[1], weight) if self.matrix else weight * xs[1]) + bias
