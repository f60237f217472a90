"""A limit on the time that a training takes."""

from __future__ import annotations

import time
from typing import Any

import pytorch_lightning as pl


class TimeLimit(pl.Callback):
    """Stops a training after some seconds, counted over all its resumptions.

    It stops after an optimizer step, so that a checkpoint written then lacks nothing.

    Args:
        seconds: Seconds of training, validation included.

    Attributes:
        reached: Whether it stopped the training.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.reached = seconds, False
        self._before, self._start, self._step = 0.0, 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start, self._step = time.monotonic(), trainer.global_step
        self._check(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step != self._step and not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._step = trainer.global_step
            self._check(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._check(trainer)

    def _check(self, trainer: pl.Trainer) -> None:
        if not trainer.should_stop and trainer.strategy.broadcast(self._spent() >= self.seconds):
            trainer.should_stop = self.reached = True

    def _spent(self) -> float:
        return self._before + time.monotonic() - self._start

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self._spent()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before = state_dict["seconds"]
