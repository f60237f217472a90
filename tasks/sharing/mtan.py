"""Multi-task attention networks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from encoders._base import Encoder
from encoders._named import NamedModules
from tasks.sharing._base import Sharing, register_sharing
from tasks.sharing.stacks import build_stack


class TaskAttention(nn.Module):
    """``a = σ(LN(W_h ReLU(LN(W_g [u; v]))))``: which channels a task takes, in [0, 1].

    Args:
        in_dim: Size of what it reads.
        dim: Size of what it masks.
    """

    def __init__(self, in_dim: int, dim: int) -> None:
        super().__init__()
        self.reads = nn.Sequential(nn.Linear(in_dim, dim), nn.LayerNorm(dim), nn.ReLU())
        self.mask = nn.Sequential(nn.Linear(dim, dim), nn.LayerNorm(dim), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.mask(self.reads(x))
        return mask


@register_sharing("mtan")
class MTAN(Sharing):
    """One network for all tasks; at every stage each task takes what its attention lets through.

    Stage l of the shared trunk turns u^l into p^l. A task takes ``â_t^l = a_t^l ⊙ p^l``, where
    ``a_t^l = h_t^l(g_t^l([u^l; f^l(â_t^{l−1})]))`` lies in [0, 1] and the first stage reads u alone; its
    head reads the last. f (shared by the tasks), g and h are linear, with LayerNorm in the place of the
    paper's BatchNorm, so that no sample sees another, and ReLU, ReLU, sigmoid. With masks of one that
    is a hard trunk.

    A task without a label in the batch leaves its attention alone.

    Source: Liu et al., "End-to-End Multi-Task Learning with Attention", CVPR 2019 (§3.2).

    Args:
        trunk: The shared stack between fusion and heads; ``{"name": "mlp"}`` when None.

    Shape:
        ``[N, D]`` to ``[N, D]`` for every task.

    Example:
        >>> sharing = MTAN(trunk={"name": "mlp", "depth": 3})
        >>> sharing.bind(("a", "b"), 8, {})
        >>> {t: x.shape for t, x in sharing(torch.randn(2, 8), ("a", "b")).items()}
        {'a': torch.Size([2, 8]), 'b': torch.Size([2, 8])}
    """

    has_boundary = False

    def __init__(self, *, trunk: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.trunk = trunk

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        self.stack = build_stack(self.trunk or {"name": "mlp"}, in_dim)
        self.out_dim = self.stack.out_dim
        dims = [tap.dim for tap in self.stack.tap_info]
        before = [in_dim, *dims[:-1]]
        self.passes = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.LayerNorm(b), nn.ReLU()) for a, b in itertools.pairwise(dims)
        )
        self.attention = NamedModules(
            {
                task: nn.ModuleList(
                    TaskAttention(a if level == 0 else a + b, b)
                    for level, (a, b) in enumerate(zip(before, dims, strict=True))
                )
                for task in tasks
            }
        )

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        taken: dict[str, Tensor] = {}
        below = fused
        for level, stage in enumerate(self.stack.stages):
            above = stage(below)
            for task in dict.fromkeys(tasks):
                seen = below
                if level:
                    seen = torch.cat([below, self.passes[level - 1](taken[task])], -1)
                taken[task] = self.attention[task][level](seen) * above
            below = above
        return {task: self.stack.finish(x) for task, x in taken.items()}
