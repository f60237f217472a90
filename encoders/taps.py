"""Taps of any layout as tokens, as vectors, scaled by channel, and maps at another size."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from sennit.data.masking import masked_mean
from sennit.encoders.types import Layout


def as_tokens(tap: Tensor, layout: Layout) -> Tensor:
    """Return a tap as a sequence of vectors.

    Shape:
        ``[B, C, H, W]``, ``[B, T, C]`` or ``[B, C]`` to ``[B, T, C]`` (T = H·W, T, 1).

    Example:
        >>> import torch
        >>> as_tokens(torch.zeros(2, 8, 3, 3), "BCHW").shape
        torch.Size([2, 9, 8])
    """
    if layout == "BCHW":
        return tap.flatten(2).transpose(1, 2)
    return tap if layout == "BTC" else tap.unsqueeze(1)


def pool(tap: Tensor, layout: Layout, mask: Tensor | None = None) -> Tensor:
    """Return the mean of a tap over space or over its valid steps.

    A row without one valid step gives zeros.

    Shape:
        tap as above, mask ``[B, T]``, result ``[B, C]``.
    """
    if layout == "BC":
        return tap
    if layout == "BCHW":
        return tap.mean((2, 3))
    return masked_mean(tap, mask)


def broadcast_channels(channels: Tensor, layout: Layout) -> Tensor:
    """Shape one value for each channel so that it multiplies a tap.

    Shape:
        ``[B, C]`` (or ``[C]`` with a leading 1) to ``[B, C, 1, 1]``, ``[B, 1, C]`` or ``[B, C]``.
    """
    if layout == "BCHW":
        return channels[:, :, None, None]
    return channels[:, None] if layout == "BTC" else channels


def at_size(feature_map: Tensor, size: Sequence[int] | None, *, mode: str = "bilinear") -> Tensor:
    """Return a map at another height and width; itself if it has them, or none are given.

    Args:
        feature_map: Map to resize.
        size: Height and width of the result.
        mode: Interpolation, ``"bilinear"`` or ``"nearest"``.

    Shape:
        ``[..., C, h, w]`` to ``[..., C, H, W]``.

    Example:
        >>> import torch
        >>> at_size(torch.zeros(2, 8, 3, 3), (6, 5)).shape
        torch.Size([2, 8, 6, 5])
    """
    if size is None or tuple(feature_map.shape[-2:]) == tuple(size):
        return feature_map
    flat = feature_map.flatten(0, -4)
    resized = F.interpolate(flat, tuple(size), mode=mode)
    return resized.reshape(*feature_map.shape[:-2], *size)
