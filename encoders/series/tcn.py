"""A temporal convolutional network."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import zero_padding
from sennit.encoders._create import register_encoder
from sennit.encoders.layers._processor_norm import frames, image
from sennit.encoders.series._base import PooledSeriesEncoder, patches


class _TCNStage(nn.Module):
    """Two dilated causal convolutions with a residual; padding is zeroed before each."""

    def __init__(self, width: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(width, width, kernel_size, dilation=dilation) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.past = dilation * (kernel_size - 1)
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        hidden = x = zero_padding(x, mask)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            assert isinstance(conv, nn.Conv1d)
            past = image(F.pad(hidden, (0, 0, self.past, 0)))
            steps = F.conv2d(past, conv.weight.unsqueeze(2), conv.bias, dilation=(1, *conv.dilation))
            hidden = F.dropout(norm(frames(steps)).relu(), self.dropout, self.training)
            hidden = zero_padding(hidden, mask)
        return x + hidden, mask


@register_encoder("tcn")
class TCNEncoder(PooledSeriesEncoder):
    """Temporal convolutional network: dilated causal convolutions with residuals.

    Source: Bai et al., "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
    Sequence Modeling", arXiv 1803.01271 (2018), with LayerNorm over the channels of each step in the
    place of weight normalisation, and without the ReLU after each residual sum.

    Args:
        in_channels: Number of channels of the series.
        width: Channels within, size of the output, of the tokens and of each tap.
        depth: Number of stages; stage n has dilation 2ⁿ⁻¹ and one tap.
        kernel_size: Steps that a convolution reads.
        dropout: Dropout probability after each convolution.
        patch_size: Steps in a token. With 1 every stage is as long as the series, which costs most and is of
            use where something reads single steps; the pooling of a long series is served by 2 to 8.
        pooling: Name of a pooling, one of `list_poolings`.

    Shape:
        ``[B, T, in_channels]``, mask ``[B, T]``; pooled ``[B, width]``, tokens and taps
        ``[B, ceil(T/patch_size), width]``.

    Raises:
        ValueError: The pooling is unknown.

    Example:
        >>> import torch
        >>> encoder = TCNEncoder(3, width=16)
        >>> encoder(torch.randn(2, 50, 3)).tokens.shape
        torch.Size([2, 50, 16])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_channels", "width", "depth", "kernel_size", "patch_size")

    def __init__(
        self,
        in_channels: int,
        *,
        width: int = 64,
        depth: int = 4,
        kernel_size: int = 3,
        dropout: float = 0.1,
        patch_size: int = 1,
        pooling: str = "mean",
    ) -> None:
        super().__init__(in_channels)
        self.patch_size = patch_size
        self.project = nn.Linear(in_channels * patch_size, width)
        self.stages = nn.ModuleList(_TCNStage(width, kernel_size, 2**i, dropout) for i in range(depth))
        self.finish_with(pooling, {f"stage{i + 1}": width for i in range(depth)})

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        steps, mask = super().stem(x, mask)
        steps, mask = patches(steps, mask, self.patch_size)
        return self.project(steps), mask
