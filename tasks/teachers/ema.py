"""A teacher whose weights are moving averages of the model's."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from sennit.ramp import early_decay
from sennit.tasks.model.network import Network
from sennit.tasks.teachers._base import Teacher, register_teacher


@register_teacher("ema")
class EMA(Teacher):
    """A moving average of the model: of its weights and of the statistics of its norms.

    ``θ' ← α θ' + (1 − α) θ`` after each optimizer step, with ``α = min(decay, 1 − 1 / (n + 1))`` in step n,
    so that the initial weights do not linger. Integers, such as counts and indices, are the model's.
    Source: Tarvainen & Valpola 2017, "Mean teachers are better role models" (eq. 1); the early α as in their
    code.

    Args:
        decay: Weight α of the average so far, from 0 to less than 1.

    Attributes:
        steps: Number n of the last step.

    Raises:
        ValueError: ``decay`` is out of range.
    """

    def __init__(self, *, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` should be from 0 to less than 1. Found {decay}.")
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def after_step(self, model: Network) -> None:
        """Move towards the model."""
        self.steps += 1
        floats: tuple[list[Tensor], list[Tensor]] = [], []
        integers: tuple[list[Tensor], list[Tensor]] = [], []
        for x, y in self.followed(model):
            mine, theirs = floats if x.is_floating_point() else integers
            mine.append(x)
            theirs.append(y)
        if floats[0]:
            torch._foreach_lerp_(*floats, 1 - early_decay(self.decay, self.steps))
        if integers[0]:
            torch._foreach_copy_(*integers)

    def get_extra_state(self) -> Tensor:
        """Return the number of steps; a buffer would have to be read from the device in each."""
        return torch.tensor(self.steps)

    def set_extra_state(self, state: object) -> None:
        """Restore the number of steps."""
        self.steps = int(cast(Tensor, state))
