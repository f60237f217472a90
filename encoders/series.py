"""Encoders of series: steps of several channels, such as those of sensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.input_spec import InputSpec
from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders._base import Encoder, StagedEncoder
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.standardise import Standardise
from sennit.encoders.layers.steps import StepsInputLevel
from sennit.encoders.layers.transformer import TransformerEncoder, sinusoids
from sennit.encoders.layers.units import StepUnits
from sennit.encoders.types import EncoderOutput, TapInfo


class _Steps(nn.Module):
    """Standardised steps; zeros in the padding."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.standardise = Standardise(in_channels)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return zero_padding(self.standardise(x), mask), mask


class _SeriesEncoder(Encoder):
    """Base of the encoders of series."""

    steps: _Steps
    patch_size = 1
    reads_float32 = True

    def token_units(self) -> StepUnits:
        mean = self.steps.standardise.mean
        return StepUnits(self.steps, len(mean), blank=mean, size=self.patch_size)

    def fit(self, x: Tensor, mask: Tensor | None = None) -> None:
        """Set mean and scale of each channel from training series; padding is left out.

        Shape:
            x ``[B, T, in_channels]``, mask ``[B, T]``.
        """
        self.steps.standardise.fit(x, mask)

    def input_scale(self) -> Tensor:
        """Return the standard deviation of each channel."""
        return self.steps.standardise.scale

    def input_level(self) -> Encoder:
        return StepsInputLevel(self.steps, len(self.steps.standardise.mean), self.input_spec)


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
            hidden = conv(F.pad(hidden.transpose(1, 2), (self.past, 0))).transpose(1, 2)
            hidden = zero_padding(F.dropout(norm(hidden).relu(), self.dropout, self.training), mask)
        return x + hidden, mask


@register_encoder("tcn")
class TCNEncoder(_SeriesEncoder, StagedEncoder):
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

    Shape:
        ``[B, T, in_channels]``, mask ``[B, T]``; pooled ``[B, width]``, tokens and taps
        ``[B, T, width]``.

    Example:
        >>> import torch
        >>> encoder = TCNEncoder(3, width=16)
        >>> encoder(torch.randn(2, 50, 3)).tokens.shape
        torch.Size([2, 50, 16])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_channels", "width", "depth", "kernel_size")

    def __init__(
        self, in_channels: int, *, width: int = 64, depth: int = 4, kernel_size: int = 3, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.input_spec = InputSpec((None, in_channels), sequence=True)
        self.embed_dim = self.token_dim = width
        self.tap_info = tuple(TapInfo(f"stage{i + 1}", width, "BTC") for i in range(depth))
        self.steps = _Steps(in_channels)
        self.project = nn.Linear(in_channels, width)
        self.stages = nn.ModuleList(_TCNStage(width, kernel_size, 2**i, dropout) for i in range(depth))

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        steps, mask = self.steps(x, mask)
        return self.project(self.cast(steps)), mask

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        tokens, mask = taps[self.tap_info[-1].name], tap_masks.get(self.tap_info[-1].name)
        return EncoderOutput(masked_mean(tokens, mask), tokens, mask, taps, tap_masks)


@register_encoder("series_transformer")
class SeriesTransformerEncoder(_SeriesEncoder, TransformerEncoder):
    """Transformer over patches of a series.

    Source: the patches of Nie et al., "A Time Series is Worth 64 Words", ICLR 2023, with all channels
    in one token, as Zerveas et al. (KDD 2021) have them.

    Args:
        in_channels: Number of channels of the series.
        patch_size: Steps in a token; a last, incomplete patch is filled with zeros.
        embed_dim: Size of the output, of the tokens and of each tap.
        depth: Number of transformer blocks; one tap for each.
        heads: Number of attention heads.
        mlp_ratio: Hidden size of the perceptrons over ``embed_dim``.
        dropout: Dropout probability of the residual branches.
        attention_dropout: Dropout probability of the attention weights.

    Shape:
        ``[B, T, in_channels]``, mask ``[B, T]``; pooled ``[B, embed_dim]``, tokens and taps
        ``[B, ceil(T/patch_size), embed_dim]``.

    Example:
        >>> import torch
        >>> encoder = SeriesTransformerEncoder(3, patch_size=8)
        >>> encoder(torch.randn(2, 50, 3)).tokens.shape
        torch.Size([2, 7, 64])
    """

    _sizes: ClassVar[tuple[str, ...]] = ("in_channels", "patch_size", "embed_dim", "depth", "heads")

    def __init__(
        self,
        in_channels: int,
        *,
        patch_size: int = 4,
        embed_dim: int = 64,
        depth: int = 2,
        heads: int = 4,
        mlp_ratio: float = 2.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__(embed_dim, depth, heads, mlp_ratio, dropout, attention_dropout)
        self.input_spec = InputSpec((None, in_channels), sequence=True)
        self.patch_size = patch_size
        self.steps = _Steps(in_channels)
        self.project = nn.Linear(in_channels * patch_size, embed_dim)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        steps, mask = self.steps(x, mask)
        filler = -steps.shape[1] % self.patch_size
        count = (steps.shape[1] + filler) // self.patch_size
        patches = F.pad(self.cast(steps), (0, 0, 0, filler)).reshape(x.shape[0], count, -1)
        if mask is not None:
            mask = F.pad(mask, (0, filler)).reshape(x.shape[0], count, -1).any(2)
        tokens = self.project(patches)
        return zero_padding(
            tokens + sinusoids(*tokens.shape[1:], device=x.device).to(tokens.dtype), mask
        ), mask
