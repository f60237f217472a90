"""A tap with an axis as a fixed number of places."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sennit.encoders.taps import as_tokens
from sennit.encoders.types import Layout

PLACES = 16


def places(tap: Tensor, layout: Layout, mask: Tensor | None = None) -> Tensor:
    """Return a tap as at most `PLACES` vectors, each the mean of neighbouring steps or pixels.

    A sequence is cut by its own valid steps, so that a sample does not depend on what it is padded with. The
    last column says which places are valid; the others are zero.

    Args:
        tap: Tap that has an axis.
        layout: Its layout.
        mask: Mask of the valid steps.

    Shape:
        tap ``[B, C, H, W]`` or ``[B, T, C]``, mask ``[B, T]``, result ``[B, P, C + 1]``.

    Raises:
        ValueError: The tap has no axis.

    Example:
        >>> places(torch.tensor([[[1.0], [3.0]]]), "BTC")[0, :3]
        tensor([[1., 1.],
                [3., 1.],
                [0., 0.]])
        >>> places(torch.zeros(2, 8, 32, 2), "BCHW").shape
        torch.Size([2, 8, 9])
    """
    if layout == "BC":
        raise ValueError("`tap` should have an axis. Found layout 'BC'.")
    if layout == "BCHW":
        side = int(PLACES**0.5)
        height, width = tap.shape[2:]
        tokens = as_tokens(F.adaptive_avg_pool2d(tap, (min(side, height), min(side, width))), layout)
        return torch.cat([tokens, torch.ones_like(tokens[..., :1])], -1)
    valid = torch.ones_like(tap[..., 0], dtype=torch.bool) if mask is None else mask
    count = valid.sum(1, keepdim=True)
    at = (valid.cumsum(1) - 1).clamp(min=0) * count.clamp(max=PLACES) // count.clamp(min=1)
    tokens = torch.cat([tap, torch.ones_like(tap[..., :1])], -1).masked_fill(~valid.unsqueeze(-1), 0)
    sums = tokens.new_zeros(len(tap), PLACES, tokens.shape[-1])
    sums = sums.scatter_add(1, at.unsqueeze(-1).expand_as(tokens), tokens)
    return sums / sums[..., -1:].clamp(min=1)
