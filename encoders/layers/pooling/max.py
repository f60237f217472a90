"""The maximum over time."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.encoders.layers.pooling._base import Pooling, register_pooling


@register_pooling("max")
class MaxPooling(Pooling):
    """``max_t h_t`` over the valid frames; zeros where there are none.

    Source: Collobert et al., "Natural Language Processing (Almost) from Scratch", JMLR 2011, §3.3.2.

    Args:
        dim: Size of a frame.

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]``, result ``[B, dim]``.

    Example:
        >>> MaxPooling(1)(torch.tensor([[[1.0], [3.0]]]), torch.tensor([[True, False]])).tolist()
        [[1.0]]
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_dim = dim

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return x.amax(1)
        highest = x.masked_fill(~mask.unsqueeze(2), torch.finfo(x.dtype).min).amax(1)
        return highest.masked_fill(~mask.any(1, keepdim=True), 0)
