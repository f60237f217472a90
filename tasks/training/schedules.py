"""Learning rates over a run, by PyTorch's own schedulers."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    SequentialLR,
)

from sennit.registry import unknown_name

SCHEDULES = ("constant", "cosine", "one_cycle")

Schedule = Callable[[Optimizer, int], LRScheduler]
"""From an optimizer and the number of its steps to a scheduler that moves once a step."""


def check_schedule(schedule: str | Schedule, warmup: float) -> None:
    """Refuse an unknown schedule, and a warm-up where the schedule has its own.

    Raises:
        TypeError: The schedule is neither a name nor a function.
        ValueError: An unknown name, or a warm-up beside a schedule that has its own.
    """
    if isinstance(schedule, str) and schedule not in SCHEDULES:
        raise unknown_name("schedule", schedule, SCHEDULES)
    if not isinstance(schedule, str) and not callable(schedule):
        raise TypeError(
            f"`schedule` should be a name, or a function from an optimizer and the number of its steps to a "
            f"scheduler. Found {schedule!r}."
        )
    if not 0 <= warmup < 1 or (warmup and schedule not in ("constant", "cosine")):
        raise ValueError(
            f"`warmup` should be from 0 to less than 1, and 0 unless the schedule is 'constant' or 'cosine': "
            f"others have their own. Found {warmup} with {schedule!r}."
        )


def make_schedule(
    optimizer: Optimizer, schedule: str | Schedule, *, steps: int, warmup: float = 0.0
) -> LRScheduler:
    """Return a scheduler for a run of ``steps``.

    Args:
        optimizer: Optimizer, whose groups have the peak learning rates.
        schedule: ``"constant"``, ``"cosine"`` (to zero; Loshchilov & Hutter 2017, "SGDR"), ``"one_cycle"``
            (Smith & Topin 2018, "Super-convergence"), or a function from the optimizer and ``steps``.
        steps: Optimizer steps of the whole run.
        warmup: Share of the steps in which a constant or cosine rate first rises linearly.

    Raises:
        TypeError: The function returns something else.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        >>> schedule = make_schedule(optimizer, "cosine", steps=6, warmup=1 / 3)
        >>> rates = []
        >>> for _ in range(6):
        ...     rates.append(round(schedule.get_last_lr()[0], 2))
        ...     optimizer.step(); schedule.step()
        >>> rates
        [0.5, 1.0, 1.0, 0.85, 0.5, 0.15]
    """
    if not isinstance(schedule, str):
        scheduler = schedule(optimizer, steps)
        if not isinstance(scheduler, LRScheduler):
            raise TypeError(
                f"`schedule` should return a scheduler of torch.optim.lr_scheduler from an optimizer and the "
                f"number of its steps. Found a {type(scheduler).__name__}."
            )
        return scheduler
    if schedule == "one_cycle":
        # One step more, since the scheduler also moves after the last one; a rise of a step at least.
        share = max(0.2, 2 / (steps + 1))
        peaks = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=steps + 1, pct_start=share, cycle_momentum=False)
    rise = math.ceil(warmup * steps)

    def after_warmup() -> LRScheduler:
        if schedule == "cosine":
            return CosineAnnealingLR(optimizer, max(steps - rise, 1))
        return ConstantLR(optimizer, factor=1.0)

    if not rise:
        return after_warmup()
    warming = LinearLR(optimizer, start_factor=1 / rise, total_iters=max(rise - 1, 1))
    return SequentialLR(optimizer, [warming, after_warmup()], milestones=[rise])
