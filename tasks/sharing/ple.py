"""Progressive layered extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sennit.encoders._base import Encoder
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.cgc import Extraction, check_counts
from sennit.tasks.sharing.stacks._base import ONE_BLOCK
from torch import Tensor, nn


@register_sharing("ple")
class PLE(Sharing):
    """Several levels of `CGC`: what a gate mixes is what its experts of the next level read.

    Below the last level the shared experts have a gate as well, over all experts of all tasks. So at
    those levels a task reads what the others' experts make, and all of them run for each sample; those of
    inactive tasks are read and not taught. With one level it is `CGC`.

    The tasks part at no one tensor, as in `MMoE`. The cost is that of ``levels · (shared + own · T)``
    experts for every sample.

    Source: Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model
    for Personalized Recommendations", RecSys 2020, section 4.2. There every expert
    learns from every sample; here one of a task without a label in the batch keeps still, as all that is
    that task's does.

    Args:
        levels: How many.
        shared: Experts of all tasks at each level.
        own: Experts of each task at each level.
        stack: What an expert is, as `sennit.tasks.sharing.stacks.build_stack` reads it; an ``mlp`` of one
            block by default.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: ``levels`` or ``shared`` is below 1 or ``own`` below 0, or an unknown stack.

    Example:
        >>> import torch
        >>> sharing = PLE(levels=2)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> sharing(torch.randn(2, 8), ("a",))["a"].shape
        torch.Size([2, 8])
    """

    has_boundary = False

    def __init__(
        self, *, levels: int = 2, shared: int = 2, own: int = 1, stack: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        check_counts(shared, own)
        if levels < 1:
            raise ValueError(f"`levels` should be 1 or more. Found {levels}.")
        self.depth, self.shared, self.own = levels, shared, own
        self.stack = stack or ONE_BLOCK

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        self._place = {task: i for i, task in enumerate(tasks)}
        self.levels = nn.ModuleList()
        self.out_dim = in_dim
        for i in range(self.depth):
            level = Extraction(
                len(tasks),
                self.out_dim,
                shared=self.shared,
                own=self.own,
                stack=self.stack,
                goes_on=i + 1 < self.depth,
            )
            self.levels.append(level)
            self.out_dim = level.out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        asked = [self._place[t] for t in tasks]
        everyone = list(range(len(self._place)))
        learns = [t in asked for t in everyone]
        shared, of_tasks = fused, None
        for level in self.levels[:-1]:
            of_tasks, shared = level(shared, of_tasks, everyone, learns)
        chosen = None if of_tasks is None else of_tasks[asked]
        mixed, _ = self.levels[-1](shared, chosen, asked, [True] * len(asked))
        return dict(zip(tasks, mixed.unbind(), strict=True))
