"""The learning-rate range test: one short training in which the rate rises until the loss does."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from sennit.data.random_state import random_state, set_random_state
from sennit.tasks.training.fitting import fit
from sennit.tasks.training.learner import Learner

_SMOOTHING = 0.95
_DIVERGED = 4.0


@dataclass(frozen=True)
class RangeTest:
    """Losses of a training in which the learning rate rises.

    Attributes:
        rates: Learning rate of each step.
        losses: Moving average of the training loss after each step.
        suggestion: Rate at which the loss falls fastest in the logarithm of the rate; None where it falls at
            no rate.
    """

    rates: list[float]
    losses: list[float]
    suggestion: float | None


def find_lr(
    learner: Learner,
    train: Any,
    *,
    low: float = 1e-6,
    high: float = 1.0,
    steps: int = 100,
    **options: Any,
) -> RangeTest:
    """Train a copy of a learner with a rate that rises geometrically, and return what its loss does.

    It stops early where the loss is four times its least, or not finite. The learner, its model, the random
    numbers and the position of the loaders stay as they are. Set the suggestion, or a rate a little below it,
    by ``Learner(model, lr=...)``; rates by part (``lr_scale``, ``layer_decay``) keep their proportions.

    Source: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", §3.3.

    Args:
        learner: Learner to test; its own rate, schedule and warm-up play no part.
        train: Loader of training data, or several by name.
        low: Rate of the first step.
        high: Rate of the last step.
        steps: Number of optimizer steps.
        **options: Other options of `sennit.tasks.fit`, as the training will have: ``clip``, ``precision``,
            ``accumulate``, ``optimizer``, ``accelerator``.

    Raises:
        ValueError: ``low`` is not above 0 and below ``high``, fewer than 10 steps, or an option that `fit`
            refuses.

    Example:
        >>> import torch
        >>> from sennit.data import Batch, BatchDataset, ResumableLoader
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import MultiTaskModel, Regression
        >>> encoders = {"a": create_encoder("mlp", 1, width=8)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("concat", encoders), tasks={"y": Regression(1)}
        ... )
        >>> x = torch.linspace(-1, 1, 64).unsqueeze(1)
        >>> data = BatchDataset(Batch.of({"a": x}, targets={"y": 2 * x}))
        >>> loader = ResumableLoader(data, batch_size=16, collate_fn=data.collate)
        >>> test = find_lr(Learner(model), loader, accelerator="cpu")
        >>> 1e-5 < test.suggestion < 1
        True
    """
    if not 0 < low < high:
        raise ValueError(f"`low` should be above 0 and below `high`. Found {low} and {high}.")
    if steps < 10:
        raise ValueError(f"`steps` should be 10 or more, to see a slope. Found {steps}.")
    trial = copy.deepcopy(learner)
    trial.lr, trial.warmup = low, 0.0
    losses = _Losses()
    loaders = list(train.values()) if isinstance(train, Mapping) else [train]
    positions, state = [dict(vars(loader)) for loader in loaders], random_state()
    try:
        with torch.random.fork_rng():
            fit(
                trial,
                train,
                steps=steps,
                schedule=_Rising(high / low),
                callbacks=[losses],
                trainer_options={"log_every_n_steps": steps + 1},
                progress=False,
                **options,
            )
    except _Stopped:
        pass  # by `losses`, before the learner would refuse what is not finite
    finally:
        set_random_state(state)
        for loader, position in zip(loaders, positions, strict=True):
            vars(loader).update(position)
    rates = [low * (high / low) ** (i / (steps - 1)) for i in range(len(losses.smoothed))]
    return RangeTest(rates, losses.smoothed, _steepest(rates, losses.smoothed))


class _Rising:
    """A schedule from the rate of the optimizer to a multiple of it, equally in the logarithm.

    Args:
        factor: Multiple.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, optimizer: Optimizer, steps: int) -> LambdaLR:
        return LambdaLR(optimizer, lambda step: self.factor ** (step / max(steps - 1, 1)))


class _Stopped(Exception):
    """The loss has diverged."""


class _Losses(pl.Callback):
    """The moving averages of the training loss, of which the early ones are debiased."""

    def __init__(self) -> None:
        self.smoothed: list[float] = []
        self._sum, self._step, self._batches = 0.0, -1, list[float]()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if outputs is not None:  # a batch without a label has no loss
            self._batches.append(float(outputs["loss"]))
        if trainer.global_step == self._step or not self._batches:
            return
        self._step, loss = trainer.global_step, float(np.mean(self._batches))
        self._batches.clear()
        self._sum = _SMOOTHING * self._sum + (1 - _SMOOTHING) * loss
        smooth = self._sum / (1 - _SMOOTHING ** (len(self.smoothed) + 1))
        if not math.isfinite(smooth) or smooth > _DIVERGED * min(
            [abs(x) for x in self.smoothed], default=smooth
        ):
            raise _Stopped
        self.smoothed.append(smooth)


def _steepest(rates: list[float], losses: list[float]) -> float | None:
    """Return the rate at which the loss falls fastest, after a tenth of the steps: the first are noise."""
    first = len(losses) // 10
    if len(losses) - first < 3:
        return None
    slopes = np.gradient(losses, np.log(rates))[first:]
    best = int(slopes.argmin())
    return rates[first + best] if slopes[best] < 0 else None
