"""Customized gate control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.fusion import FusionInput
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.stacks._base import ONE_BLOCK
from sennit.tasks.sharing.stacks.batched import make_stacks, run_together
from sennit.tasks.sharing.stacks.mixing import Gates, mix


class Extraction(nn.Module):
    """A level of experts: some shared by all tasks, some of each task, and the tasks' gates.

    A gate reads the input of its task's experts, and weighs these and the shared ones.

    Args:
        tasks: Number of tasks.
        in_dim: Size of the experts' input.
        shared: Number of experts of all tasks.
        per_task: Number of experts of each task.
        stack: Layers of an expert.
        followed: Whether another level follows; then the shared experts have a gate too, over all experts
            of all tasks.
    """

    def __init__(
        self, tasks: int, in_dim: int, *, shared: int, per_task: int, stack: Mapping[str, Any], followed: bool
    ) -> None:
        super().__init__()
        experts = make_stacks(stack, in_dim, shared)
        self.shared = nn.ModuleList(experts)
        self.own = nn.ModuleList(nn.ModuleList(make_stacks(stack, in_dim, per_task)) for _ in range(tasks))
        self.gates = Gates(tasks, in_dim, per_task + shared)
        self.shared_gate = Gates(1, in_dim, tasks * per_task + shared) if followed else None
        self.count = per_task
        self.out_dim = experts[0].out_dim

    def forward(
        self, x: Tensor, of_tasks: Tensor | None, chosen: Sequence[int], learns: Sequence[bool]
    ) -> tuple[Tensor, Tensor | None]:
        """Return the inputs of the next level: of the tasks' experts, and of the shared ones.

        Args:
            x: Input of the shared experts ``[N, D]``.
            of_tasks: Input of the chosen tasks' experts ``[T, N, D]``; ``x`` if None.
            chosen: Indices of the tasks: all of them where another level follows.
            learns: Whether each of those gets gradients.
        """
        weights = self.gates(x if of_tasks is None else of_tasks, chosen, learns)
        shared = run_together(self.shared, x)
        mixed = mix(weights[..., self.count :], shared)
        everything = [shared]
        if self.count:
            experts = [expert for t in chosen for expert in self.own[t]]  # type: ignore[attr-defined]
            learning = [on for on in learns for _ in range(self.count)]
            read = x if of_tasks is None else of_tasks.repeat_interleave(self.count, 0)
            outputs = run_together(experts, read, separate=of_tasks is not None, learns=learning)
            by_task = outputs.view(len(chosen), self.count, *outputs.shape[1:])
            mixed = mixed + mix(weights[..., : self.count], by_task)
            everything = [outputs, shared]
        if self.shared_gate is None:
            return mixed, None
        return mixed, mix(self.shared_gate(x, [0]), torch.cat(everything)).squeeze(0)


@register_sharing("cgc")
class CGC(Sharing):
    """Experts shared by all tasks and experts of each task, both weighed by the task's gate.

    ``f_t(x) = Σ_e g_t(x)_e f_e(x)`` over the task's own experts and the shared ones, with
    ``g_t(x) = softmax(W_t x)``. With ``per_task=0`` it is `MMoE`.

    The tasks do not split at one tensor, as in `MMoE`. Each sample costs ``shared + per_task · T`` experts;
    only those of the active tasks run.

    Source: Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model
    for Personalized Recommendations", RecSys 2020, section 4.1.

    Args:
        shared: Number of experts of all tasks.
        per_task: Number of experts of each task.
        stack: Layers of an expert, as `build_stack` reads it; an ``mlp`` of one block by default.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: ``shared`` is below 1 or ``per_task`` below 0, or an unknown stack.

    Example:
        >>> sharing = CGC(shared=2, per_task=1)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> sharing(torch.randn(2, 8), ("a",))["a"].shape
        torch.Size([2, 8])
    """

    has_boundary = False

    def __init__(self, *, shared: int = 2, per_task: int = 1, stack: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        check_counts(shared, per_task)
        self.shared, self.per_task, self.stack = shared, per_task, stack or ONE_BLOCK

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, FusionInput]) -> None:
        self._place = {task: i for i, task in enumerate(tasks)}
        self.level = Extraction(
            len(tasks), in_dim, shared=self.shared, per_task=self.per_task, stack=self.stack, followed=False
        )
        self.out_dim = self.level.out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        mixed, _ = self.level(fused, None, [self._place[t] for t in tasks], [True] * len(tasks))
        return dict(zip(tasks, mixed.unbind(), strict=True))


def check_counts(shared: int, per_task: int) -> None:
    """Refuse numbers of experts out of range."""
    if shared < 1 or per_task < 0:
        raise ValueError(
            f"`shared` should be 1 or more, and `per_task` 0 or more. Found {shared} and {per_task}. Experts "
            f"of single tasks alone would share nothing."
        )
