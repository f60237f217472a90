"""Hard parameter sharing."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from encoders._base import Encoder
from encoders.layers.residual import ResidualBlock
from tasks.sharing._base import Sharing, register_sharing


@register_sharing("hard")
class Hard(Sharing):
    """All tasks share everything up to their heads: one trunk of residual blocks.

    Source: Caruana 1997, "Multitask Learning".

    Args:
        depth: Residual blocks between the fusion and the heads; with 0 the heads read the fused
            vector itself.
        dropout: In the blocks.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task.

    Example:
        >>> import torch
        >>> sharing = Hard(depth=1)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> sorted(sharing(torch.randn(2, 8), ("a", "b")))
        ['a', 'b']
    """

    def __init__(self, *, depth: int = 0, dropout: float = 0.1) -> None:
        super().__init__()
        self.depth, self.dropout = depth, dropout

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        self.out_dim = in_dim
        blocks: list[nn.Module] = [ResidualBlock(in_dim, dropout=self.dropout) for _ in range(self.depth)]
        self.trunk = nn.Sequential(*blocks, nn.LayerNorm(in_dim)) if blocks else nn.Sequential()

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        features = self.trunk(fused) if self.depth else fused
        return dict.fromkeys(tasks, features)
