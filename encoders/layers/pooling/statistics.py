"""Mean and standard deviation over time."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.encoders.layers.pooling._base import Pooling, register_pooling
from sennit.encoders.layers.pooling._plain import plain_statistics


@register_pooling("statistics")
class StatisticsPooling(Pooling):
    """``[μ, σ]`` of the valid frames, ``σ² = Σ_t (h_t - μ)² / T``.

    Source: Snyder et al., "X-Vectors: Robust DNN Embeddings for Speaker Recognition", ICASSP 2018, §2.1.

    Args:
        dim: Size of a frame.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]``, result ``[B, 2·dim]``: means, then standard deviations.

    Example:
        >>> StatisticsPooling(1)(torch.tensor([[[1.0], [3.0]]])).tolist()
        [[2.0, 1.0]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = 2 * dim

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return torch.cat(plain_statistics(x, mask), 1).to(x.dtype)
