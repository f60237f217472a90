"""Progressive layered extraction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.cgc import Extraction, check_counts
from sennit.tasks.sharing.stacks._base import ONE_BLOCK


@register_sharing("ple")
class PLE(Sharing):
    """Several levels of `CGC`: the mixture of a gate is the input of its experts of the next level.

    Below the last level the shared experts have a gate as well, over all experts of all tasks. At those
    levels a task reads the outputs of the other tasks' experts, and all experts run for each sample; those
    of inactive tasks run without learning. With one level it is `CGC`.

    The tasks do not split at one tensor, as in `MMoE`. Each sample costs
    ``levels · (shared + per_task · T)`` experts.

    Source: Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model
    for Personalized Recommendations", RecSys 2020, section 4.2. There every expert
    learns from every sample; here the experts of a task without a label in the batch stay unchanged, as do
    all parameters of that task.

    Args:
        levels: Number of levels.
        shared: Number of experts of all tasks at each level.
        per_task: Number of experts of each task at each level.
        stack: Layers of an expert, as `build_stack` reads it; an ``mlp`` of one block by default.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: ``levels`` or ``shared`` is below 1 or ``per_task`` below 0, or an unknown stack.

    Example:
        >>> import torch
        >>> sharing = PLE(levels=2)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> sharing(torch.randn(2, 8), ("a",))["a"].shape
        torch.Size([2, 8])
    """

    has_boundary = False

    def __init__(
        self, *, levels: int = 2, shared: int = 2, per_task: int = 1, stack: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        check_counts(shared, per_task)
        if levels < 1:
            raise ValueError(f"`levels` should be 1 or more. Found {levels}.")
        self.depth, self.shared, self.per_task = levels, shared, per_task
        self.stack = stack or ONE_BLOCK

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self._place = {task: i for i, task in enumerate(tasks)}
        self.levels = nn.ModuleList()
        self.out_dim = in_dim
        for i in range(self.depth):
            level = Extraction(
                len(tasks),
                self.out_dim,
                shared=self.shared,
                per_task=self.per_task,
                stack=self.stack,
                followed=i + 1 < self.depth,
            )
            self.levels.append(level)
            self.out_dim = level.out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        requested = [self._place[t] for t in tasks]
        everyone = list(range(len(self._place)))
        learns = [t in requested for t in everyone]
        shared, of_tasks = fused, None
        for level in self.levels[:-1]:
            of_tasks, shared = level(shared, of_tasks, everyone, learns)
        chosen = None if of_tasks is None else of_tasks[requested]
        mixed, _ = self.levels[-1](shared, chosen, requested, [True] * len(requested))
        return dict(zip(tasks, mixed.unbind(), strict=True))
