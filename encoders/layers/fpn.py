"""Feature pyramid network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sennit.encoders.layers.conv_unit import conv_unit
from sennit.encoders.taps import at_size


class FPN(nn.Module):
    """The finest map of a feature pyramid network.

    ``m_L = W_L c_L``, ``m_l = W_l c_l + up(m_{l+1})`` with 1 × 1 convolutions W and nearest-neighbour
    upsampling; convolutions of 3 × 3 follow on the finest m. Coarser maps are not made.
    Source: Lin et al. 2017, "Feature Pyramid Networks for Object Detection" (§3); the GroupNorm and ReLU
    after the 3 × 3 convolutions are those of Kirillov et al. 2019, "Panoptic Feature Pyramid Networks".

    Args:
        dims: Channels of each level, from fine to coarse.
        width: Channels of the map.
        depth: Number of 3 × 3 convolutions.

    Shape:
        ``[B, dims[l], H_l, W_l]`` for each level to ``[B, width, H_0, W_0]``.

    Example:
        >>> import torch
        >>> FPN((4, 8), 16, 1)([torch.randn(2, 4, 6, 6), torch.randn(2, 8, 3, 3)]).shape
        torch.Size([2, 16, 6, 6])
    """

    def __init__(self, dims: Sequence[int], width: int, depth: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(dim, width, 1) for dim in dims)
        self.smooth = nn.Sequential(*(layer for _ in range(depth) for layer in conv_unit(width, width)))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        *finer, x = [lateral(c) for lateral, c in zip(self.lateral, levels, strict=True)]
        for m in reversed(finer):
            x = m + at_size(x, m.shape[-2:], mode="nearest")
        out: Tensor = self.smooth(x)
        return out
