"""A stack of transformer blocks."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from sennit.encoders.layers.transformer import TransformerBlock
from sennit.encoders.types import TapInfo
from sennit.tasks.sharing.stacks._base import Stack, register_stack


class TokenBlock(TransformerBlock):
    """A transformer block of a stack; fused attention has no `torch.func.vmap` rule."""

    batched: ClassVar[bool] = False


class _Mean(nn.Module):
    """The mean over tokens ``[N, T, D]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


@register_stack("transformer")
class TransformerStack(Stack):
    """Transformer blocks, each a stage, over tokens computed from the vector; then their mean.

    Each token is an affine map of the whole vector, whose bias distinguishes the tokens.

    Source: the pre-norm blocks of `sennit.encoders.layers.transformer.TransformerBlock` (Vaswani et al.,
    NeurIPS 2017; Xiong et al., ICML 2020). The tokens are our choice: Gorishniy et al., "Revisiting Deep
    Learning Models for Tabular Data", NeurIPS 2021, section 3.3, make one of each entry.

    Args:
        in_dim: Size of the vector.
        depth: Number of blocks.
        tokens: Number of tokens.
        dim: Size of a token and of the result; ``in_dim`` by default.
        heads: Number of attention heads; a divisor of ``dim``.
        dropout: Dropout rate in the blocks.

    Shape:
        ``[N, in_dim]`` to ``[N, dim]``; between the stages ``[N, tokens, dim]``.

    Raises:
        ValueError: ``depth``, ``tokens`` or ``dim`` is below 1, or ``heads`` does not divide ``dim``.

    Example:
        >>> import torch
        >>> stack = TransformerStack(8, depth=3, tokens=5)
        >>> stack.stem(torch.randn(2, 8)).shape, stack(torch.randn(2, 8)).shape
        (torch.Size([2, 5, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        in_dim: int,
        *,
        depth: int = 2,
        tokens: int = 4,
        dim: int | None = None,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(in_dim)
        width = in_dim if dim is None else dim
        for name, value in (("depth", depth), ("tokens", tokens), ("dim", width)):
            if value < 1:
                raise ValueError(f"`{name}` should be 1 or more. Found {value}.")
        self.out_dim = width
        self.stem_info = TapInfo("stem", width, "BTC")
        self.stem = nn.Sequential(nn.Linear(in_dim, tokens * width), nn.Unflatten(1, (tokens, width)))
        self.tap_info = tuple(TapInfo(f"block{i + 1}", width, "BTC") for i in range(depth))
        self.stages = nn.ModuleList(TokenBlock(width, heads, dropout=dropout) for _ in range(depth))
        self.finish = nn.Sequential(_Mean(), nn.LayerNorm(width))
