"""A layer at each place of a tap."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sennit.fusion.cell.readings._base import Reading, register_reading


@register_reading("pointwise")
class PointwiseReading(Reading):
    """``x = 1/P Σ_p relu(V x_p + c)``: a layer at each place, before the mean.

    On maps it is a convolution of size one.
    Source: Lin et al. 2014, "Network In Network" (§3.1-3.2).

    Args:
        dim: Size of the vector at each place.

    Example:
        >>> from sennit.fusion.cell.readings import places
        >>> reading = PointwiseReading(1)
        >>> _ = reading.load_state_dict({"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
        >>> reading(places(torch.tensor([[[-1.0], [3.0]]]), "BTC"))
        tensor([[1.5000]], grad_fn=<SelectBackward0>)
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        bound = 1 / math.sqrt(dim)
        self.weight = nn.Parameter(torch.empty(dim, dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(dim).uniform_(-bound, bound))

    @staticmethod
    def read(x: Tensor, valid: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        weight, bias = parameters["weight"], parameters["bias"]
        flat = x.flatten(0, 1).expand(len(weight), -1, -1)
        hidden = torch.baddbmm(bias.unsqueeze(1), flat, weight.transpose(1, 2)).relu()
        hidden = hidden.view(len(weight), *x.shape) * valid.unsqueeze(-1)
        return hidden.sum(2) / valid.sum(1, keepdim=True).clamp(min=1)

    @staticmethod
    def flops(dim: int) -> int:
        return 2 * dim * dim
