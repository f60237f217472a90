"""InceptionTime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.batch_norm import MaskedBatchNorm
from sennit.encoders.layers.conv_norm import ConvNorm, check_odd, conv_over_time
from sennit.encoders.series._base import PooledSeriesEncoder

MODULES = 3  # inception modules of a block


class _Inception(nn.Module):
    """Convolutions of several lengths behind a bottleneck, and one behind a maximum of three steps."""

    def __init__(self, in_dim: int, filters: int, kernel_sizes: Sequence[int], stride: int) -> None:
        super().__init__()
        self.bottleneck = nn.Linear(in_dim, filters, bias=False) if in_dim > 1 else None
        reads = filters if in_dim > 1 else 1
        self.convs = nn.ModuleList(nn.Conv1d(reads, filters, k, bias=False) for k in kernel_sizes)
        self.after_max = nn.Linear(in_dim, filters, bias=False)
        self.norm = MaskedBatchNorm(filters * (len(kernel_sizes) + 1))
        self.stride = stride

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        narrow = x if self.bottleneck is None else self.bottleneck(x)
        parts = []
        for conv in self.convs:
            assert isinstance(conv, nn.Conv1d)
            parts.append(conv_over_time(narrow, conv.weight, stride=self.stride))
        highest = _highest_of_three(x, mask)[:, :: self.stride]
        mask = None if mask is None else mask[:, :: self.stride]
        parts.append(self.after_max(zero_padding(highest, mask)))
        return self.norm(torch.cat(parts, 2), mask).relu(), mask


def _highest_of_three(x: Tensor, mask: Tensor | None) -> Tensor:
    """Return the maximum of each step and its neighbours; padding, and what is beyond the ends, is below all.

    By three views, as the kernel of a pooling binds an exported graph to one length.
    """
    lowest = torch.finfo(x.dtype).min
    below = x if mask is None else x.masked_fill(~mask.unsqueeze(2), lowest)
    below = F.pad(below, (0, 0, 1, 1), value=lowest)
    return below[:, :-2].maximum(below[:, 1:-1]).maximum(below[:, 2:])


class _Block(nn.Module):
    """Inception modules and a shortcut past them."""

    def __init__(self, in_dim: int, filters: int, kernel_sizes: Sequence[int], stride: int) -> None:
        super().__init__()
        dim = filters * (len(kernel_sizes) + 1)
        self.parts = nn.ModuleList(
            _Inception(dim if i else in_dim, filters, kernel_sizes, 1 if i else stride)
            for i in range(MODULES)
        )
        self.shortcut = ConvNorm(in_dim, dim, 1, stride=stride)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        hidden = x = zero_padding(x, mask)
        valid = mask
        for module in self.parts:
            hidden, valid = module(hidden, valid)
        return (hidden + self.shortcut(x, mask)[0]).relu(), valid


@register_encoder("inception_time")
class InceptionTimeEncoder(PooledSeriesEncoder):
    """Inception network over a series: convolutions of several lengths at once, and a pooling.

    The paper's classifier is the mean of five such networks; here is one of them.
    Source: Ismail Fawaz et al., "InceptionTime: Finding AlexNet for Time Series Classification", Data Mining
    and Knowledge Discovery 34 (2020), §3, with odd kernels (39, 19, 9 in the place of 40, 20, 10).

    Args:
        in_channels: Number of channels of the series.
        filters: Number of filters of each length; a tap has four times as many channels with three lengths.
        depth: Number of blocks of three inception modules; one tap for each.
        kernel_sizes: Lengths of the filters in steps, odd.
        stride: Number of steps of a block's input for which one of its output stands; the paper's is 1.
        pooling: Name of a pooling, one of `list_poolings`.

    Shape:
        ``[B, T, in_channels]``, mask ``[B, T]``; with C = ``filters · (len(kernel_sizes) + 1)``, pooled
        ``[B, C]``, tokens and taps ``[B, T', C]``.

    Raises:
        ValueError: A kernel is even, or the pooling is unknown.

    Example:
        >>> import torch
        >>> encoder = InceptionTimeEncoder(3, filters=8)
        >>> encoder(torch.randn(2, 50, 3)).tokens.shape
        torch.Size([2, 50, 32])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_channels", "filters", "depth", "kernel_sizes", "stride")

    def __init__(
        self,
        in_channels: int,
        *,
        filters: int = 32,
        depth: int = 2,
        kernel_sizes: Sequence[int] = (39, 19, 9),
        stride: int = 1,
        pooling: str = "mean",
    ) -> None:
        super().__init__(in_channels)
        for size in kernel_sizes:
            check_odd(size)
        dim = filters * (len(kernel_sizes) + 1)
        self.stages = nn.ModuleList(
            _Block(dim if i else in_channels, filters, kernel_sizes, stride) for i in range(depth)
        )
        self.patch_size = stride**depth
        self.finish_with(pooling, {f"block{i + 1}": dim for i in range(depth)})
