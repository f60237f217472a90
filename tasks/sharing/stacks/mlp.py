"""A stack of residual perceptron blocks."""

from __future__ import annotations

from torch import nn

from sennit.encoders.layers.residual import ResidualBlock
from sennit.encoders.types import TapInfo
from sennit.tasks.sharing.stacks._base import Stack, register_stack


@register_stack("mlp")
class MLPStack(Stack):
    """Residual perceptron blocks, each a stage, and a LayerNorm after the last.

    Source: the ResNet of Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data",
    NeurIPS 2021, section 3.2, with LayerNorm in place of BatchNorm.

    Args:
        in_dim: Size of the vector, which every stage keeps.
        depth: Number of blocks.
        dropout: Dropout rate in the blocks.
        hidden: Number of units within each block; twice ``in_dim`` by default.

    Shape:
        ``[N, in_dim]`` to the same.

    Raises:
        ValueError: ``depth`` or ``hidden`` is below 1.

    Example:
        >>> import torch
        >>> stack = MLPStack(8, depth=3)
        >>> stack(torch.randn(2, 8)).shape, len(stack.stages)
        (torch.Size([2, 8]), 3)
    """

    def __init__(
        self, in_dim: int, *, depth: int = 2, dropout: float = 0.1, hidden: int | None = None
    ) -> None:
        super().__init__(in_dim)
        if depth < 1:
            raise ValueError(f"`depth` should be 1 or more. Found {depth}.")
        if hidden is not None and hidden < 1:
            raise ValueError(f"`hidden` should be 1 or more. Found {hidden}.")
        self.out_dim = in_dim
        self.tap_info = tuple(TapInfo(f"block{i + 1}", in_dim, "BC") for i in range(depth))
        self.stages = nn.ModuleList(
            ResidualBlock(in_dim, dropout=dropout, hidden=hidden) for _ in range(depth)
        )
        self.finish = nn.LayerNorm(in_dim)
