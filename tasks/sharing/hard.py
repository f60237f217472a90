"""Hard parameter sharing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sennit.encoders.layers.residual import ResidualBlock
from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.stacks import build_stack


@register_sharing("hard")
class Hard(Sharing):
    """All tasks share everything up to their heads: one trunk, of residual blocks or any stack.

    Source: Caruana 1997, "Multitask Learning".

    Args:
        depth: Number of residual blocks between the fusion and the heads; with 0 the heads read the fused
            vector itself.
        dropout: Dropout rate in the blocks.
        trunk: Stack to use in place of the blocks, such as ``{"name": "transformer", "depth": 2}``.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task, or to the output of the stack.

    Raises:
        ValueError: ``depth`` is below 0, or given beside a ``trunk``.

    Example:
        >>> import torch
        >>> sharing = Hard(depth=1)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> sorted(sharing(torch.randn(2, 8), ("a", "b")))
        ['a', 'b']
    """

    def __init__(
        self, *, depth: int = 0, dropout: float = 0.1, trunk: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        if depth < 0 or (depth and trunk is not None):
            raise ValueError(
                f"`depth` should be 0 or more, and 0 beside a `trunk`, which has its own. Found {depth} "
                f"and {trunk}."
            )
        self.depth, self.dropout, self.stack = depth, dropout, trunk

    @property
    def shares_maps(self) -> bool:
        return self.depth == 0 and self.stack is None

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self.out_dim = in_dim
        if self.stack is not None:
            stack = build_stack(self.stack, in_dim)
            self.trunk, self.out_dim = nn.Sequential(stack), stack.out_dim
            return
        blocks: list[nn.Module] = [ResidualBlock(in_dim, dropout=self.dropout) for _ in range(self.depth)]
        self.trunk = nn.Sequential(*blocks, nn.LayerNorm(in_dim)) if blocks else nn.Sequential()

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        features = self.trunk(fused) if self.depth or self.stack is not None else fused
        return dict.fromkeys(tasks, features)
