"""A residual network over a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.conv_norm import ConvNorm
from sennit.encoders.series._base import PooledSeriesEncoder

KERNELS = (7, 5, 3)


class _ResidualStage(nn.Module):
    """Three convolutions, the first of which is strided, and a shortcut."""

    def __init__(self, in_dim: int, dim: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            ConvNorm(dim if i else in_dim, dim, kernel, stride=1 if i else stride)
            for i, kernel in enumerate(KERNELS)
        )
        self.shortcut = ConvNorm(in_dim, dim, 1, stride=stride)
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        hidden = x = zero_padding(x, mask)
        valid = mask
        for i, conv in enumerate(self.convs):
            hidden, valid = conv(hidden.relu() if i else hidden, valid)
        hidden = (hidden + self.shortcut(x, mask)[0]).relu()
        return F.dropout(hidden, self.dropout, self.training), valid


@register_encoder("series_resnet")
class SeriesResNetEncoder(PooledSeriesEncoder):
    """Residual network with strides: three convolutions and a shortcut in each stage, and a pooling.

    Source: Wang et al., "Time Series Classification from Scratch with Deep Neural Networks: A Strong
    Baseline", IJCNN 2017, §II.C, with a stride in each stage and a first kernel of 7 in the place of 8.

    Args:
        in_channels: Number of channels of the series.
        widths: Channels of each stage; the last is the size of the output and of the tokens.
        stride: Number of steps of a stage for which one of the next stands.
        pooling: Name of a pooling, one of `list_poolings`.
        dropout: Dropout probability after each stage.

    Shape:
        ``[B, T, in_channels]``, mask ``[B, T]``; pooled ``[B, widths[-1]]``, taps ``[B, T', width]`` with T
        halved (rounded up) by each stage when the stride is 2, tokens as the last tap.

    Raises:
        ValueError: The pooling is unknown.

    Example:
        >>> import torch
        >>> encoder = SeriesResNetEncoder(3)
        >>> encoder(torch.randn(2, 50, 3)).tokens.shape
        torch.Size([2, 7, 128])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_channels", "widths", "stride")

    def __init__(
        self,
        in_channels: int,
        *,
        widths: Sequence[int] = (64, 128, 128),
        stride: int = 2,
        pooling: str = "mean",
        dropout: float = 0.1,
    ) -> None:
        super().__init__(in_channels)
        self.stages = nn.ModuleList(
            _ResidualStage(a, b, stride, dropout)
            for a, b in zip((in_channels, *widths), widths, strict=False)
        )
        self.patch_size = stride ** len(widths)
        self.finish_with(pooling, {f"stage{i + 1}": width for i, width in enumerate(widths)})
