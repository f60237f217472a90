"""Padding of sequences: filled with zeros, and left out of means."""

from __future__ import annotations

from torch import Tensor


def zero_padding(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return ``x`` with zeros in the padding, so that values there reach nothing."""
    if mask is None:
        return x
    # Indexing, as `reshape` would bind a compiled graph to certain lengths where a mask is not contiguous.
    return x.masked_fill(~mask[(..., *[None] * (x.dim() - 2))], 0)


def masked_mean(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mean over the valid steps; zeros where there are none.

    Shape:
        tokens ``[B, T, C]``, mask ``[B, T]`` or None, result ``[B, C]``.
    """
    if mask is None:
        return tokens.mean(1)
    weight = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weight).sum(1) / weight.sum(1).clamp(min=1)
