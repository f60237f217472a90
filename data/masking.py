"""Padding of sequences: filled with zeros, and left out of means."""

from __future__ import annotations

from torch import Tensor


def zero_padding(x: Tensor, mask: Tensor | None) -> Tensor:
    """Zeros in the padding, so that whatever was there reaches nothing."""
    if mask is None:
        return x
    # Not `reshape`, which in a graph of a mask with gaps would hold for some lengths only.
    return x.masked_fill(~mask[(..., *[None] * (x.dim() - 2))], 0)


def masked_mean(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Mean over the valid steps; zeros where there are none.

    Shape:
        tokens ``[B, T, C]``, mask ``[B, T]`` or None, result ``[B, C]``.
    """
    if mask is None:
        return tokens.mean(1)
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
