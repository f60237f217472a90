"""A teacher whose weights are moving averages of the model's."""

from __future__ import annotations

import torch
from torch import Tensor

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

    Raises:
        ValueError: ``decay`` is out of range.
    """

    steps: Tensor

    def __init__(self, *, decay: float = 0.99) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` should be from 0 to less than 1. Found {decay}.")
        self.decay = decay
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def after_step(self, model: Network) -> None:
        """Move towards the model."""
        self.steps += 1
        share = 1 - min(self.decay, 1 - 1 / (int(self.steps) + 1))
        floats = [(x, y) for x, y in self.followed(model) if x.is_floating_point()]
        torch._foreach_lerp_([x for x, _ in floats], [y for _, y in floats], share)
        for x, y in self.followed(model):
            if not x.is_floating_point():
                x.copy_(y)
