"""A transformer over patches of a series."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from sennit.data.input_spec import InputSpec
from sennit.data.masking import zero_padding
from sennit.encoders._create import register_encoder
from sennit.encoders.layers.transformer import TransformerEncoder, sinusoids
from sennit.encoders.series._base import SeriesEncoder, Steps, patches


@register_encoder("series_transformer")
class SeriesTransformerEncoder(SeriesEncoder, TransformerEncoder):
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
        self.steps = Steps(in_channels)
        self.project = nn.Linear(in_channels * patch_size, embed_dim)

    def stem(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        steps, mask = self.steps(x, mask)
        steps, mask = patches(self.cast(steps), mask, self.patch_size)
        tokens = self.project(steps)
        places = sinusoids(*tokens.shape[1:], device=x.device).to(tokens.dtype)
        return zero_padding(tokens + places, mask), mask
