"""The expansive path of a U-Net."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sennit.encoders.layers.conv_unit import conv_unit
from sennit.encoders.taps import at_size


class UNet(nn.Module):
    """The expansive path of a U-Net, from the deepest level to the finest.

    ``m_L = conv(c_L)``, ``m_l = conv([up(m_{l+1}); c_l])``. Every m has the same width, convolutions are
    padded and upsampling is bilinear, where the paper halves the width, does not pad and learns to upsample.
    Source: Ronneberger et al. 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation" (§2).

    Args:
        dims: Channels of each level, from fine to coarse.
        width: Channels of the map.
        depth: Number of 3 × 3 convolutions, each with GroupNorm and ReLU, at each level.

    Shape:
        ``[B, dims[l], H_l, W_l]`` for each level to ``[B, width, H_0, W_0]``.

    Example:
        >>> UNet((4, 8), 16, 1)([torch.randn(2, 4, 6, 6), torch.randn(2, 8, 3, 3)]).shape
        torch.Size([2, 16, 6, 6])
    """

    def __init__(self, dims: Sequence[int], width: int, depth: int) -> None:
        super().__init__()
        *finer, deepest = dims
        inputs = [deepest, *(width + dim for dim in reversed(finer))]
        self.blocks = nn.ModuleList(_block(in_dim, width, depth) for in_dim in inputs)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        first, *others = self.blocks
        x: Tensor = first(levels[-1])
        for block, skip in zip(others, reversed(levels[:-1]), strict=True):
            x = block(torch.cat([at_size(x, skip.shape[-2:]), skip], 1))
        return x


def _block(in_dim: int, width: int, depth: int) -> nn.Sequential:
    layers = [conv_unit(width if i else in_dim, width) for i in range(depth)]
    return nn.Sequential(*(layer for unit in layers for layer in unit))
