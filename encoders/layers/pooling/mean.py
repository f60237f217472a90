"""The mean over time."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders.layers.pooling._base import Pooling, register_pooling


@register_pooling("mean")
class MeanPooling(Pooling):
    """``μ = Σ_t h_t / T`` over the valid frames.

    Source: the temporal average of Li et al., "Deep Speaker: an End-to-End Neural Speaker Embedding
    System", arXiv 1705.02304 (2017), §3.

    Args:
        dim: Size of a frame.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]``, result ``[B, dim]``.

    Example:
        >>> MeanPooling(1)(torch.tensor([[[1.0], [3.0]]])).tolist()
        [[2.0]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        kind = torch.promote_types(x.dtype, torch.float32)
        return masked_mean(zero_padding(x, mask).to(kind), mask).to(x.dtype)
