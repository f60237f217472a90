"""The convolution of image encoders and of decoders of maps."""

from __future__ import annotations

import math

from torch import nn


def conv_unit(in_dim: int, dim: int, *, stride: int = 1) -> list[nn.Module]:
    """Make a 3 × 3 convolution, a GroupNorm and a ReLU: no image sees another.

    Source: Wu & He, "Group Normalization", ECCV 2018.

    Args:
        in_dim: Number of channels of the input.
        dim: Number of channels of the result.
        stride: Step of the convolution.

    Shape:
        ``[B, in_dim, H, W]`` to ``[B, dim, H / stride, W / stride]``, sizes rounded up.
    """
    return [
        nn.Conv2d(in_dim, dim, 3, stride=stride, padding=1, bias=False),
        nn.GroupNorm(math.gcd(8, max(dim // 4, 1), dim), dim),
        nn.ReLU(),
    ]
