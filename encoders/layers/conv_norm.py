"""A convolution over time with batch normalisation."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.encoders.layers._processor_norm import frames, image
from sennit.encoders.layers.batch_norm import MaskedBatchNorm


def conv_over_time(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1) -> Tensor:
    """Convolve frames with an odd kernel about each ``stride``-th of them; beyond the ends are zeros.

    Frames lie in memory as the pixels of an image with channels last, for which the kernels are faster.

    Args:
        x: Frames, zero in the padding.
        weight: Kernel.
        bias: Term added to each channel.
        stride: Number of frames from one result to the next.

    Shape:
        x ``[B, T, C]``, weight ``[D, C, kernel]``, result ``[B, ceil(T/stride), D]``.
    """
    reach = weight.shape[2] // 2
    return frames(F.conv2d(image(x), weight.unsqueeze(2), bias, (1, stride), (0, reach)))


class ConvNorm(nn.Module):
    """Convolution over time, then batch normalisation over the valid frames; zeros in the padding.

    Source: the blocks of Wang et al. 2017, "Time Series Classification from Scratch with Deep Neural
    Networks: A Strong Baseline" (equation 4), with a stride.

    Args:
        in_dim: Size of an input frame.
        dim: Size of an output frame.
        kernel_size: Number of frames that are read, odd.
        stride: Number of frames from one result to the next.

    Shape:
        x ``[B, T, in_dim]``, zero in the padding, mask ``[B, T]``; result ``[B, ceil(T/stride), dim]`` and
        its mask.

    Raises:
        ValueError: ``kernel_size`` is even.

    Example:
        >>> import torch
        >>> hidden, mask = ConvNorm(6, 16, 7, stride=2)(torch.randn(2, 9, 6))
        >>> hidden.shape
        torch.Size([2, 5, 16])
    """

    def __init__(self, in_dim: int, dim: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__()
        check_odd(kernel_size)
        self.conv = nn.Conv1d(in_dim, dim, kernel_size, bias=False)
        self.norm = MaskedBatchNorm(dim)
        self.stride = stride

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        hidden = conv_over_time(x, self.conv.weight, stride=self.stride)
        mask = None if mask is None else mask[:, :: self.stride]
        return self.norm(hidden, mask), mask


def check_odd(kernel_size: int) -> None:
    """Refuse a kernel that reads more frames before than after.

    Raises:
        ValueError: It is even.
    """
    if kernel_size % 2 == 0:
        raise ValueError(
            f"`kernel_size` should be odd, for as many frames before as after. Found {kernel_size}. Add one."
        )
