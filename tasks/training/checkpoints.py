"""Checkpoints from which a training goes on exactly, and which a kill or a full disk cannot spoil."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, and moves it there once it is whole on the disk.

    Reading executes nothing: only tensors and plain values are loaded.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        path = Path(path)
        half = path.with_name(f".{path.name}.half")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(half, "wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(half, path)
        except (OSError, RuntimeError) as error:  # torch's writer turns OSErrors into RuntimeErrors
            half.unlink(missing_ok=True)
            raise OSError(
                f"cannot write '{path}': {error}. Is the disk full? An older checkpoint there is untouched."
            ) from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return read_checkpoint(path)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU; nothing in it is executed.

    Raises:
        ValueError: The file is damaged, or not a checkpoint.
    """
    with open(path, "rb") as file:
        try:
            checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"cannot read '{path}' as a checkpoint: it is truncated, or holds more than tensors and "
                f"plain values. Restore it from a copy, or delete it to start anew."
            ) from error
    return checkpoint


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt`` and, by a monitored value, ``best.ckpt``.

    Args:
        folder: Where to.
        every: Steps between checkpoints within an epoch.
        monitor: The value that chooses the best.
        mode: Whether that is the ``"max"`` or the ``"min"``.
    """

    def __init__(self, folder: Path, *, every: int | None, monitor: str | None, mode: str) -> None:
        self.folder, self.every, self.monitor, self.sign = folder, every, monitor, 1 if mode == "max" else -1
        self.best: float | None = None
        self._stopped = False
        self.saved_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.should_stop = self._stopped  # Lightning forgets that early stopping had its way
        self.saved_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if self.every is None or step % self.every or step == self.saved_step:
            return
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:  # the epoch's end is near
            self._save(trainer, "last")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.monitor is not None:
            found = trainer.callback_metrics
            if self.monitor not in found:
                raise ValueError(
                    f"the validation data should have a label for '{self.monitor}', which chooses the "
                    f"weights. Found values of {sorted(k for k in found if k.startswith('val/'))}."
                )
            value = float(found[self.monitor])
            if value == value and (self.best is None or self.sign * value > self.sign * self.best):
                self.best = value
                self._save(trainer, "best")
        self._stopped = trainer.should_stop
        self._save(trainer, "last")  # after the best, so that it never speaks of one that is not there

    def _save(self, trainer: pl.Trainer, name: str) -> None:
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.folder / f"{name}.ckpt", weights_only=False)
        self.saved_step = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "stopped": self._stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self._stopped = state_dict["best"], state_dict["stopped"]
