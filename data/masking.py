"""Padding of sequences: filled with zeros, and left out of means."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


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


def cat_padded(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors joined along the first axis, each filled with zeros up to the largest size of an axis.

    Example:
        >>> cat_padded([torch.ones(1, 2), torch.ones(1, 3)]).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    """
    sizes = [max(sizes) for sizes in zip(*(x.shape[1:] for x in tensors), strict=True)]
    filled = []
    for x in tensors:
        missing = [size - here for size, here in zip(sizes, x.shape[1:], strict=True)]
        filled.append(F.pad(x, [n for m in reversed(missing) for n in (0, m)]) if any(missing) else x)
    return torch.cat(filled)
