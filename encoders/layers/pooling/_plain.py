"""Mean and standard deviation over time, with equal weights of the valid frames."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.data.masking import zero_padding
from sennit.encoders.layers._pieces import in_pieces
from sennit.encoders.layers.pooling._moments import moments
from sennit.encoders.layers.pooling._piecewise import PiecewiseMoments


def plain_statistics(x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return ``μ`` and ``σ`` of the valid frames, in float32 at least.

    Shape:
        x ``[B, T, C]``, mask ``[B, T]``, results ``[B, C]``.
    """
    if in_pieces(x):
        mean, deviation = PiecewiseMoments.apply(x, mask)
        return mean, deviation
    kind = torch.promote_types(x.dtype, torch.float32)
    if mask is None:
        return moments(x, x.new_full((1, 1, 1), 1 / x.shape[1], dtype=kind))
    valid = mask.unsqueeze(2).to(kind)
    return moments(zero_padding(x, mask), valid / valid.sum(1, keepdim=True).clamp(min=1))
