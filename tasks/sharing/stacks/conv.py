"""A stack of convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from sennit.encoders.types import TapInfo
from sennit.tasks.sharing.stacks._base import Stack, register_stack


class ConvBlock(nn.Module):
    """``x + Conv(ReLU(GN(Conv(ReLU(GN(x))))))`` with filters of 3 × 3; samples stay independent."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(1, dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1, bias=False),
            nn.GroupNorm(1, dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


@register_stack("conv")
class ConvStack(Stack):
    """Residual convolutions, each block a stage, over a vector that is a flattened feature map.

    Source: He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016 (the order within a block),
    with the GroupNorm of Wu & He, ECCV 2018, of a single group, in place of BatchNorm.

    Args:
        in_dim: Size of the vector, which every stage keeps.
        shape: Numbers of channels, rows and columns of the map.
        depth: Number of blocks.

    Shape:
        ``[N, in_dim]`` to the same; between the stages ``[N, C, H, W]``.

    Raises:
        ValueError: ``shape`` is not three sizes whose product is ``in_dim``, or ``depth`` is below 1.

    Example:
        >>> import torch
        >>> stack = ConvStack(48, shape=(3, 4, 4))
        >>> stack.stem(torch.randn(2, 48)).shape, stack(torch.randn(2, 48)).shape
        (torch.Size([2, 3, 4, 4]), torch.Size([2, 48]))
    """

    def __init__(self, in_dim: int, *, shape: Sequence[int], depth: int = 2) -> None:
        super().__init__(in_dim)
        if len(shape) != 3 or min(shape) < 1 or math.prod(shape) != in_dim:
            raise ValueError(
                f"`shape` should be channels, height and width of the map that the vector holds, {in_dim} "
                f"numbers. Found {tuple(shape)}."
            )
        if depth < 1:
            raise ValueError(f"`depth` should be 1 or more. Found {depth}.")
        dim = shape[0]
        self.out_dim = in_dim
        self.stem, self.stem_info = nn.Unflatten(1, tuple(shape)), TapInfo("stem", dim, "BCHW")
        self.tap_info = tuple(TapInfo(f"block{i + 1}", dim, "BCHW") for i in range(depth))
        self.stages = nn.ModuleList(ConvBlock(dim) for _ in range(depth))
        self.finish = nn.Sequential(nn.Flatten(), nn.LayerNorm(in_dim))
