"""Which parameters learn, how fast, and by what schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.parts import part_of_each
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

SCHEDULES = ("constant", "cosine", "one_cycle")


def parameter_groups(
    model: MultiTaskModel, *, lr: float, weight_decay: float, lr_scale: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Groups for an optimizer: by part of the model with a learning rate of its own, and by decay.

    A module may have ``lr_multiplier``, which multiplies the learning rate of its parameters once more.

    Raises:
        ValueError: Nothing is left to train, or a part that the model does not have.
    """
    apart = {id(p) for p in model.weighting.parameters()}
    part = part_of_each(model, lr_scale)
    multiplier = {
        id(p): float(getattr(module, "lr_multiplier", 1.0))
        for module in model.modules()
        if hasattr(module, "lr_multiplier")
        for p in module.parameters()
    }
    groups: dict[str, dict[str, Any]] = {}
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        decays = p.dim() >= 2 and "weight" in name.rpartition(".")[2] and id(p) not in apart
        own = part.get(id(p), "")
        key, times = f"{own or 'model'}, {'decayed' if decays else 'spared'}", multiplier.get(id(p), 1.0)
        key += "" if times == 1 else f", {times:g} times the rate"
        start = {"name": key, "lr": lr * lr_scale.get(own, 1.0) * times}
        group = groups.setdefault(
            key, {**start, "weight_decay": weight_decay if decays else 0.0, "params": []}
        )
        group["params"].append(p)
    if not groups:
        raise ValueError("a model should have something to train. Found every part frozen.")
    return list(groups.values())


@dataclass
class _Factor:
    """What a learning rate is multiplied by: a linear rise, then constant or a cosine to zero."""

    steps: int
    rise: int
    falls: bool

    def __call__(self, step: int) -> float:
        if step < self.rise:
            return (step + 1) / self.rise
        if not self.falls:
            return 1.0
        return (1 + math.cos(math.pi * (step - self.rise) / max(self.steps - self.rise, 1))) / 2


def make_schedule(optimizer: torch.optim.Optimizer, name: str, *, steps: int, warmup: float) -> LRScheduler:
    """The schedule of that name over a run of ``steps``, the first ``warmup`` of which are a linear rise.

    Source: Loshchilov & Hutter 2017, "SGDR" (cosine); Smith & Topin 2018 (one cycle).

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = make_schedule(optimizer, "cosine", steps=6, warmup=1 / 3)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(round(schedule.get_last_lr()[0], 2))
        ...     optimizer.step(); schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if name == "one_cycle":
        # One step more, since the scheduler also moves after the last one; a rise of a step at least.
        share = max(0.2, 2 / (steps + 1))
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps + 1, pct_start=share, cycle_momentum=False)
    return LambdaLR(optimizer, _Factor(steps, math.ceil(warmup * steps), name == "cosine"))
