"""The base of sharings in which each task has layers of its own on the fused vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing
from sennit.tasks.sharing.stacks._base import ONE_BLOCK
from sennit.tasks.sharing.stacks.batched import make_stacks, run_together


class OwnStacks(Sharing):
    """One stack for each task, all of one shape; the stacks of the requested tasks run together."""

    has_boundary = False

    def __init__(self, stack: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.stack = stack or ONE_BLOCK

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self.place = {task: i for i, task in enumerate(tasks)}
        stacks = make_stacks(self.stack, in_dim, len(tasks))
        self.stacks = nn.ModuleList(stacks)
        self.out_dim = stacks[0].out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        out = run_together([self.stacks[self.place[t]] for t in tasks], fused)
        return dict(zip(tasks, out.unbind(), strict=True))
