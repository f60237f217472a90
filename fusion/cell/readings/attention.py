"""Attention over the places of a tap."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.fusion.cell.readings._base import Reading, register_reading


@register_reading("attention")
class AttentionReading(Reading):
    """``x = Σ_p a_p x_p``, ``a = softmax_p(q · x_p / √d)``: a learned query says which places count.

    The query begins at zero, where the result is the mean.
    Source: Z. Yang et al. 2016, "Hierarchical Attention Networks for Document Classification" (eqs. 5-7),
    with the query on the places themselves.

    Args:
        dim: Size of the vector at each place.

    Example:
        >>> from sennit.fusion.cell.readings import places
        >>> AttentionReading(1)(places(torch.tensor([[[1.0], [3.0]]]), "BTC"))
        tensor([[2.]], grad_fn=<SelectBackward0>)
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.query = nn.Parameter(torch.zeros(dim))

    @staticmethod
    def read(x: Tensor, valid: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        query = parameters["query"]
        scores = torch.matmul(x, query.T) * x.shape[-1] ** -0.5
        # A finite value: softmax over no place at all should not be NaN.
        weights = scores.masked_fill(~valid.unsqueeze(-1), torch.finfo(x.dtype).min).softmax(1)
        return torch.matmul(weights.mT, x).transpose(0, 1)

    @staticmethod
    def flops(dim: int) -> int:
        return 4 * dim
