"""Cross-stitch networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sennit.encoders.taps import broadcast_channels
from sennit.encoders.types import TapInfo
from sennit.tasks.sharing._base import register_sharing
from sennit.tasks.sharing._task_networks import TaskNetworks, Unit, check_lr_multiplier, check_share


class StitchUnit(Unit):
    """``h_t ← Σ_s α_ts h_s``, one matrix α for each channel.

    The rows of α, ``[T, C]``, are separate parameters, so that the row of a task without a label in a batch
    stays unchanged.

    Args:
        tasks: Number of tasks.
        tap: Description of the mixed tap.
        self_weight: Initial weight of a task's own network; the others share the rest evenly.
        lr_multiplier: Factor on the learning rate of α.
    """

    def __init__(self, tasks: int, tap: TapInfo, self_weight: float, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        start = convex(tasks, self_weight).unsqueeze(-1).repeat(1, 1, tap.dim)
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


def convex(count: int, diagonal: float) -> Tensor:
    """Return weights ``[count, count]`` whose rows sum to one: ``diagonal``, and the rest evenly."""
    other = (1 - diagonal) / max(count - 1, 1)
    return torch.full((count, count), other).fill_diagonal_(diagonal if count > 1 else 1.0)


@register_sharing("cross_stitch")
class CrossStitch(TaskNetworks):
    """One network for each task, stitched together after every stage.

    ``h_t^{l,c} ← Σ_s α_ts^{l,c} h_s^{l,c}`` for each level l and channel c. α starts convex (each row
    sums to one) and is free afterwards; with ``self_weight=1`` the networks start separate. They are the
    tasks'
    encoders, which must be staged, each with a fusion; or stacks after one fusion. They start as copies of
    one, or, as in the paper, as networks trained for each task alone (`start_from_single_tasks`).

    Where each input has the label of a single task, the last unit's α_t learns on the inputs of task t
    alone: how much the other networks' features of *its* inputs help t. The earlier units also learn on the
    inputs of tasks that read t later. No input shows how two labels relate.

    Source: Misra et al. 2016, "Cross-stitch Networks for Multi-task Learning" (eq. 1, §4.3; a unit
    for each channel, initial values 0.9 and 0.1, a higher learning rate for α).

    Args:
        self_weight: Initial weight of a task's own network; the others share the rest evenly.
        lr_multiplier: Factor on the learning rate of α. The paper's 100 to 1000 are for SGD, whose steps
            shrink with the gradient; Adam's do not.
        trunk: The stack between fusion and heads that each task has, such as
            ``{"name": "mlp", "depth": 2}``; None for encoders and a fusion for each task.

    Shape:
        Hidden states of all tasks at a level to the same shapes.

    Raises:
        TypeError: Without a trunk, an encoder has no stages.

    Example:
        >>> unit = StitchUnit(2, TapInfo("t", 1, "BC"), self_weight=0.9)
        >>> [h.item() for h in unit([torch.tensor([[1.0]]), torch.tensor([[0.0]])])]
        [0.8999999761581421, 0.10000000149011612]
    """

    def __init__(
        self, *, self_weight: float = 0.9, lr_multiplier: float = 1.0, trunk: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(trunk)
        check_share("self_weight", self_weight)
        check_lr_multiplier(lr_multiplier)
        self.self_weight, self.lr_of_units = self_weight, lr_multiplier

    def make_units(self, taps: Sequence[TapInfo]) -> nn.ModuleList:
        count = len(self.tasks)
        return nn.ModuleList(StitchUnit(count, tap, self.self_weight, self.lr_of_units) for tap in taps)
