"""Cross-stitch networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from sennit.encoders.taps import broadcast_channels
from sennit.encoders.types import TapInfo
from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._task_networks import Columns, Unit, check_lr_multiplier, check_share
from torch import Tensor, nn


class StitchUnit(Unit):
    """``h_t ← Σ_s α_ts h_s``, one matrix α for each channel.

    The rows of α, ``[T, C]``, are parameters of their own, so that one whose task learns nothing from a
    batch stays as it is.

    Args:
        tasks: How many there are.
        tap: What is mixed.
        own: Initial weight of a task's own network; the others share the rest evenly.
        lr_multiplier: Of the learning rate of α.
    """

    def __init__(self, tasks: int, tap: TapInfo, own: float, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        start = convex(tasks, own).unsqueeze(-1).repeat(1, 1, tap.dim)
        self.alpha = nn.ParameterList(row.clone() for row in start)
        self.layout = tap.layout
        self.lr_multiplier = lr_multiplier

    def forward(
        self, hidden: list[Tensor], mask: Tensor | None = None, earlier: list[list[Tensor]] | None = None
    ) -> list[Tensor]:
        stacked = torch.stack(hidden)
        rows = [broadcast_channels(row, self.layout).unsqueeze(1) for row in self.alpha]
        return [(row * stacked).sum(0) for row in rows]

    def mixing(self) -> Tensor:
        return torch.stack([row.detach().mean(1) for row in self.alpha])


def convex(count: int, own: float) -> Tensor:
    """Weights ``[count, count]`` whose rows sum to one: ``own`` on the diagonal, the rest even."""
    other = (1 - own) / max(count - 1, 1)
    return torch.full((count, count), other).fill_diagonal_(own if count > 1 else 1.0)


@register_sharing("cross_stitch")
class CrossStitch(Columns):
    """One network for each task, stitched together after every stage.

    ``h_t^{l,c} ← Σ_s α_ts^{l,c} h_s^{l,c}`` for each level l and channel c. α starts convex (each row
    sums to one) and is free afterwards; with ``own=1`` the networks start separate. They are the tasks'
    encoders, which must be staged, each with a fusion; or stacks behind one fusion. They start as copies
    of one, or as networks trained for each task alone (`start_from_single_tasks`), as the paper has it.

    Where each input has the label of a single task, the last unit's α_t learns on the inputs of task t
    alone: how much of what the others' networks make of *its* inputs helps t. The units above also learn
    on the inputs of tasks that read t further on. No input tells how two labels go together.

    Source: Misra et al. 2016, "Cross-stitch Networks for Multi-task Learning" (eq. 1, §4.3; a unit
    for each channel, initial values 0.9 and 0.1, a higher learning rate for α).

    Args:
        own: Initial weight of a task's own network; the others share the rest evenly.
        lr_multiplier: Of the learning rate of α. The paper's 100 to 1000 are for SGD, whose steps shrink
            with the gradient; Adam's do not.
        trunk: The stack between fusion and heads that each task has, such as
            ``{"name": "mlp", "depth": 2}``; None for encoders and a fusion for each task.

    Shape:
        Hidden states of all tasks at a level to the same shapes.

    Raises:
        TypeError: Without a trunk, an encoder has no stages.

    Example:
        >>> unit = StitchUnit(2, TapInfo("t", 1, "BC"), own=0.9)
        >>> [h.item() for h in unit([torch.tensor([[1.0]]), torch.tensor([[0.0]])])]
        [0.8999999761581421, 0.10000000149011612]
    """

    def __init__(
        self, *, own: float = 0.9, lr_multiplier: float = 1.0, trunk: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(trunk)
        check_share("own", own)
        check_lr_multiplier(lr_multiplier)
        self.own, self.lr_of_units = own, lr_multiplier

    def make_units(self, taps: Sequence[TapInfo]) -> nn.ModuleList:
        count = len(self.tasks)
        return nn.ModuleList(StitchUnit(count, tap, self.own, self.lr_of_units) for tap in taps)
