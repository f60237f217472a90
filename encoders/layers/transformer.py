"""The transformer block of this library, and the base of encoders built of it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sennit.data.masking import masked_mean, zero_padding
from sennit.encoders._base import StagedEncoder
from sennit.encoders.types import EncoderOutput, TapInfo


class TransformerBlock(nn.Module):
    """Pre-norm attention and perceptron, each with a residual; padding stays zero.

    Source: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, with the pre-norm of Xiong et
    al., "On Layer Normalization in the Transformer Architecture", ICML 2020.

    Args:
        dim: Size of the tokens.
        heads: Number of attention heads; divides ``dim``.
        mlp_ratio: Hidden size of the perceptron over ``dim``.
        dropout: Dropout probability on both residual branches.
        attention_dropout: Dropout probability on attention weights; a processor then keeps all T².

    Shape:
        x ``[B, T, dim]``, mask ``[B, T]`` (True = valid), result as x. Given ``context``
        ``[B, S, dim]`` with ``context_mask`` ``[B, S]``, x attends to it and not to itself. A row
        without one valid step stays finite, and is zero where ``mask`` says so.

    Raises:
        ValueError: ``heads`` does not divide ``dim``.

    Example:
        >>> block = TransformerBlock(8, heads=2)
        >>> nothing = torch.zeros(1, 3, dtype=torch.bool)
        >>> block(torch.randn(1, 3, 8), nothing).abs().sum().item()
        0.0
    """

    def __init__(
        self,
        dim: int,
        heads: int = 4,
        *,
        mlp_ratio: float = 4.0,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"`heads` should divide `dim`. Found {heads} heads for a dim of {dim}.")
        self.heads, self.dropout, self.attention_dropout = heads, dropout, attention_dropout
        self.attention_norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        # A bias of the keys would shift all scores of a query equally, which softmax ignores.
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)
        hidden = int(dim * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        context: Tensor | None = None,
        context_mask: Tensor | None = None,
    ) -> Tensor:
        queries = self.attention_norm(x)
        if context is None:
            attended = self._attend(queries, queries, mask)
        else:
            attended = self._attend(queries, self.attention_norm(context), context_mask)
        x = x + F.dropout(attended, self.dropout, self.training)
        return zero_padding(x + F.dropout(self.mlp(x), self.dropout, self.training), mask)

    def _attend(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        def split(x: Tensor) -> Tensor:
            return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

        if mask is not None:
            # Softmax over nothing is NaN in some kernels, so a row without valid keys sees all of them.
            mask = (mask | ~mask.any(1, keepdim=True))[:, None, None, :]
        attended = F.scaled_dot_product_attention(
            split(self.query(queries)),
            split(self.key(keys)),
            split(self.value(keys)),
            attn_mask=mask,
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out


def sinusoids(length: int, dim: int, *, device: torch.device | None = None) -> Tensor:
    """Return positions as sines and cosines, for sequences of any length.

    Source: Vaswani et al. 2017, section 3.5.

    Shape:
        ``[length, dim]``

    Example:
        >>> sinusoids(2, 4)[0].tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    rates = torch.exp(torch.arange(0, dim, 2, device=device) * (-math.log(10000.0) / dim))
    angles = torch.arange(length, device=device).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], 1)[:, :dim]


class TransformerEncoder(StagedEncoder):
    """An encoder whose stages are `TransformerBlock` and whose output is the masked mean of its tokens.

    A subclass defines ``input_spec`` and `stem`.

    Args:
        dim: Size of the tokens, of ``pooled`` and of each tap.
        depth: Number of blocks; one tap for each.
        heads: Number of attention heads.
        mlp_ratio: Hidden size of the perceptrons over ``dim``.
        dropout: Dropout probability of the residual branches.
        attention_dropout: Dropout probability of the attention weights.
    """

    def __init__(
        self, dim: int, depth: int, heads: int, mlp_ratio: float, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.embed_dim = self.token_dim = dim
        self.tap_info = tuple(TapInfo(f"layer{i + 1}", dim, "BTC") for i in range(depth))
        self.stages = nn.ModuleList(
            TransformerBlock(
                dim, heads, mlp_ratio=mlp_ratio, dropout=dropout, attention_dropout=attention_dropout
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(dim)

    def run_stage(self, level: int, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        return self.stages[level](hidden, mask), mask

    def finish(self, taps: Mapping[str, Tensor], tap_masks: Mapping[str, Tensor]) -> EncoderOutput:
        last = self.tap_info[-1].name
        mask = tap_masks.get(last)
        tokens = zero_padding(self.norm(taps[last]), mask)
        return EncoderOutput(masked_mean(tokens, mask), tokens, mask, taps, tap_masks)

    def layer_of_each(self) -> dict[str, int]:
        """Return the layer of each parameter; whatever makes the tokens, registered later, is layer 0."""
        layers = super().layer_of_each()
        return {n: layer if n.startswith(("stages.", "norm.")) else 0 for n, layer in layers.items()}
