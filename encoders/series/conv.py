"""Strided convolutions over a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.conv_norm import ConvNorm
from sennit.encoders.series._base import PooledSeriesEncoder


class _ConvStage(nn.Module):
    """A strided convolution with batch normalisation and ReLU."""

    def __init__(self, in_dim: int, dim: int, kernel_size: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.conv, self.dropout = ConvNorm(in_dim, dim, kernel_size, stride=stride), dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        hidden, mask = self.conv(zero_padding(x, mask), mask)
        return F.dropout(hidden.relu(), self.dropout, self.training), mask


@register_encoder("series_conv")
class SeriesConvEncoder(PooledSeriesEncoder):
    """Fully convolutional network with strides: convolution, batch normalisation, ReLU, and a pooling.

    Each stage has fewer steps than the one before, so that long series cost little.
    Source: Wang et al., "Time Series Classification from Scratch with Deep Neural Networks: A Strong
    Baseline", IJCNN 2017, §II.B, with a stride in each stage and a first kernel of 7 in the place of 8.

    Args:
        in_channels: Number of channels of the series.
        widths: Channels of each stage; the last is the size of the output and of the tokens.
        kernel_size: Number of steps that the first stage reads at once, odd; the others read 5 and 3.
        stride: Number of steps of a stage for which one of the next stands.
        pooling: Name of a pooling, one of `list_poolings`.
        dropout: Dropout probability after each stage.

    Shape:
        ``[B, T, in_channels]``, mask ``[B, T]``; pooled ``[B, widths[-1]]``, taps ``[B, T', width]`` with T
        halved (rounded up) by each stage when the stride is 2, tokens as the last tap.

    Raises:
        ValueError: ``kernel_size`` is even, or the pooling is unknown.

    Example:
        >>> import torch
        >>> encoder = SeriesConvEncoder(3)
        >>> encoder(torch.randn(2, 50, 3)).tokens.shape
        torch.Size([2, 7, 128])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_channels", "widths", "kernel_size", "stride")

    def __init__(
        self,
        in_channels: int,
        *,
        widths: Sequence[int] = (64, 128, 128),
        kernel_size: int = 7,
        stride: int = 2,
        pooling: str = "mean",
        dropout: float = 0.1,
    ) -> None:
        super().__init__(in_channels)
        kernels = [kernel_size, 5, *[3] * len(widths)]
        self.stages = nn.ModuleList(
            _ConvStage(a, b, kernel, stride, dropout)
            for a, b, kernel in zip((in_channels, *widths), widths, kernels, strict=False)
        )
        self.patch_size = stride ** len(widths)
        self.finish_with(pooling, {f"stage{i + 1}": width for i, width in enumerate(widths)})
