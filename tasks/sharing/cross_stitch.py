"""Cross-stitch networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from encoders._base import Encoder
from encoders._named import NamedModules
from encoders.taps import spread
from encoders.types import TapInfo
from tasks.sharing._base import Sharing, register_sharing


class StitchUnit(nn.Module):
    """``h_t ← Σ_s α_ts h_s``, one matrix α for each channel."""

    def __init__(self, tasks: int, tap: TapInfo, own: float) -> None:
        super().__init__()
        other = (1 - own) / max(tasks - 1, 1)
        start = torch.full((tasks, tasks), other).fill_diagonal_(own if tasks > 1 else 1.0)
        self.alpha = nn.Parameter(start.unsqueeze(-1).repeat(1, 1, tap.dim))
        self.layout = tap.layout

    def forward(self, hidden: list[Tensor]) -> list[Tensor]:
        return [
            torch.stack(
                [spread(a.unsqueeze(0), self.layout) * h for a, h in zip(row, hidden, strict=True)]
            ).sum(0)
            for row in self.alpha
        ]


@register_sharing("cross_stitch")
class CrossStitch(Sharing):
    """One network for each task, stitched together after every stage of their encoders.

    ``h_t^{l,c} ← Σ_s α_ts^{l,c} h_s^{l,c}`` for each level l and channel c. α starts convex (each row
    sums to one) and is free afterwards; with ``own=1`` the networks start separate. The fusion and
    the encoders are copied for each task, from the same start. It needs staged encoders.
    Source: Misra et al. 2016, "Cross-stitch Networks for Multi-task Learning" (eq. 1, §4.3; a unit
    for each channel, initial values 0.9 and 0.1).

    Args:
        own: Initial weight of a task's own network; the others share the rest evenly.

    Shape:
        Hidden states of all tasks' encoders at a level to the same shapes.

    Example:
        >>> unit = StitchUnit(2, TapInfo("t", 1, "BC"), own=0.9)
        >>> [h.item() for h in unit([torch.tensor([[1.0]]), torch.tensor([[0.0]])])]
        [0.8999999761581421, 0.10000000149011612]
    """

    per_task_encoders = True
    has_boundary = False

    def __init__(self, *, own: float = 0.9) -> None:
        super().__init__()
        if not 0 < own <= 1:
            raise ValueError(f"`own` should be more than 0 and at most 1. Found {own}.")
        self.own = own

    def bind(self, tasks: tuple[str, ...], in_dim: int, encoders: Mapping[str, Encoder]) -> None:
        self.out_dim = in_dim
        for name, encoder in encoders.items():
            if not encoder.staged:
                raise TypeError(
                    f"sharing 'cross_stitch' acts between the stages of the encoders, and the encoder of "
                    f"'{name}' ({type(encoder).__name__}) has none. Choose a staged encoder, another "
                    f"sharing, or a fusion that is not early or nested."
                )
        self.units = NamedModules(
            {
                m: nn.ModuleList([StitchUnit(len(tasks), tap, self.own) for tap in e.tap_info])
                for m, e in encoders.items()
            }
        )

    def exchange(self, modality: str, level: int, hidden: list[Tensor]) -> list[Tensor]:
        mixed: list[Tensor] = self.units[modality][level](hidden)
        return mixed

    def forward(self, fused: Tensor, tasks: tuple[str, ...]) -> dict[str, Tensor]:
        return dict.fromkeys(tasks, fused)
