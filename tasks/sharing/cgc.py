"""Customized gate control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from sennit.encoders._base import Encoder
from sennit.tasks.sharing._base import Sharing, register_sharing
from sennit.tasks.sharing.stacks._base import ONE_BLOCK
from sennit.tasks.sharing.stacks.batched import make_stacks, run_together
from sennit.tasks.sharing.stacks.mixing import Gates, mix
from torch import Tensor, nn


class Extraction(nn.Module):
    """One level of experts: some that all tasks share, some of each task, and the tasks' gates.

    A gate reads what its task's experts read, and weighs these and the shared ones.

    Args:
        tasks: How many.
        in_dim: Size of what the experts read.
        shared: Experts of all tasks.
        own: Experts of each task.
        stack: What an expert is.
        goes_on: Whether another level follows, for which the shared experts have a gate too, over all
            experts of all tasks.
    """

    def __init__(
        self, tasks: int, in_dim: int, *, shared: int, own: int, stack: Mapping[str, Any], goes_on: bool
    ) -> None:
        super().__init__()
        experts = make_stacks(stack, in_dim, shared)
        self.shared = nn.ModuleList(experts)
        self.own = nn.ModuleList(nn.ModuleList(make_stacks(stack, in_dim, own)) for _ in range(tasks))
        self.gates = Gates(tasks, in_dim, own + shared)
        self.shared_gate = Gates(1, in_dim, tasks * own + shared) if goes_on else None
        self.count = own
        self.out_dim = experts[0].out_dim

    def forward(
        self, x: Tensor, of_tasks: Tensor | None, chosen: Sequence[int], learns: Sequence[bool]
    ) -> tuple[Tensor, Tensor | None]:
        """What the tasks' experts of the next level read, and what the shared ones do.

        Args:
            x: What the shared experts read ``[N, D]``.
            of_tasks: What the chosen tasks' experts read ``[T, N, D]``; ``x`` where it is None.
            chosen: Which tasks: all of them where another level follows.
            learns: Which of those get gradients.
        """
        weights = self.gates(x if of_tasks is None else of_tasks, chosen, learns)
        shared = run_together(self.shared, x)
        mixed = mix(weights[..., self.count :], shared)
        everything = [shared]
        if self.count:
            experts = [expert for t in chosen for expert in self.own[t]]  # type: ignore[attr-defined]
            known = [on for on in learns for _ in range(self.count)]
            read = x if of_tasks is None else of_tasks.repeat_interleave(self.count, 0)
            own = run_together(experts, read, own=of_tasks is not None, learns=known)
            mixed = mixed + mix(weights[..., : self.count], own.view(len(chosen), self.count, *own.shape[1:]))
            everything = [own, shared]
        if self.shared_gate is None:
            return mixed, None
        return mixed, mix(self.shared_gate(x, [0]), torch.cat(everything)).squeeze(0)


@register_sharing("cgc")
class CGC(Sharing):
    """All tasks share some experts, each has some of its own, and weighs both by its gate.

    ``f_t(x) = Σ_e g_t(x)_e f_e(x)`` over the task's own experts and the shared ones, with
    ``g_t(x) = softmax(W_t x)``. Without experts of the tasks it is `MMoE`.

    The tasks part at no one tensor, as in `MMoE`. The cost is that of ``shared + own · T`` experts for
    every sample; only those of the active tasks run.

    Source: Tang et al., "Progressive Layered Extraction (PLE): A Novel Multi-Task Learning (MTL) Model
    for Personalized Recommendations", RecSys 2020, section 4.1.

    Args:
        shared: Experts of all tasks.
        own: Experts of each task.
        stack: What an expert is, as `sennit.tasks.sharing.stacks.build_stack` reads it; an ``mlp`` of one
            block by default.

    Shape:
        ``[N, D]`` to ``[N, D']`` for each task.

    Raises:
        ValueError: ``shared`` is below 1 or ``own`` below 0, or an unknown stack.

    Example:
        >>> sharing = CGC(shared=2, own=1)
        >>> sharing.bind(("a", "b"), 8, {})
        >>> sharing(torch.randn(2, 8), ("a",))["a"].shape
        torch.Size([2, 8])
    """

    has_boundary = False

    def __init__(self, *, shared: int = 2, own: int = 1, stack: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        check_counts(shared, own)
        self.shared, self.own, self.stack = shared, own, stack or ONE_BLOCK

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        self._place = {task: i for i, task in enumerate(tasks)}
        self.level = Extraction(
            len(tasks), in_dim, shared=self.shared, own=self.own, stack=self.stack, goes_on=False
        )
        self.out_dim = self.level.out_dim

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        mixed, _ = self.level(fused, None, [self._place[t] for t in tasks], [True] * len(tasks))
        return dict(zip(tasks, mixed.unbind(), strict=True))


def check_counts(shared: int, own: int) -> None:
    """Refuse numbers of experts out of range."""
    if shared < 1 or own < 0:
        raise ValueError(
            f"`shared` should be 1 or more, and `own` 0 or more. Found {shared} and {own}. A task's own "
            f"experts alone would share nothing."
        )
