"""Lightning callbacks of `sennit.tasks.fit`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

from sennit.ramp import early_decay


class MovingAverage(WeightAveraging):
    """Moving average of weights and statistics, at first their plain mean.

    Integers (indices, counts) are the model's current ones: the average of two equal integers may be rounded
    down, and so become another feature's index. A learner's teacher is not averaged: the average holds the
    teacher itself.

    Args:
        decay: Weight of the average so far at each step, from 0 to less than 1.

    Raises:
        ValueError: ``decay`` is out of range.
    """

    def __init__(self, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"`ema` should be from 0 to less than 1. Found {decay}.")

        def average(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
            if not mean.is_floating_point():
                return value
            # The count is on the device; the number of the last step that was averaged is the same one.
            return torch.lerp(value, mean, early_decay(decay, self._latest_update_step))

        super().__init__(avg_fn=average)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        teacher = getattr(pl_module, "teacher", None)
        if teacher is None:
            super().setup(trainer, pl_module, stage)
            return
        pl_module.teacher = None  # not copied
        try:
            super().setup(trainer, pl_module, stage)
        finally:
            pl_module.teacher = teacher
        if self._average_model is not None:
            self._average_model.module.teacher = teacher


class DataWaitTimer(pl.Callback):
    """Measures the share of the training time that is spent waiting for data.

    Args:
        loaders: Loaders of the training data; those that count the seconds have ``waited_s``.

    Attributes:
        share: Share of the time, 0 to 1; NaN where a loader does not count.
    """

    def __init__(self, loaders: Iterable[Any]) -> None:
        self.loaders = list(loaders)
        self.share = math.nan

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start, self._waited_at_start = time.perf_counter(), self._waited()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        seconds = time.perf_counter() - self._start
        self.share = (self._waited() - self._waited_at_start) / seconds

    def _waited(self) -> float:
        return sum(getattr(loader, "waited_s", math.nan) for loader in self.loaders)
