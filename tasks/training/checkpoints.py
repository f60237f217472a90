"""Checkpoints from which a training resumes exactly, and which a kill or a full disk cannot damage."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from sennit.disk_faults import disk_fault
from sennit.tasks.training.time_limit import TimeLimit


class SafeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, and moves it there once all of it is on the disk.

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
            with suppress(OSError):  # of the same fault
                half.unlink(missing_ok=True)
            raise OSError(
                f"cannot write '{path}': {disk_fault(error)} An older checkpoint there is untouched."
            ) from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return read_checkpoint(path)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the contents of a checkpoint, on the CPU; nothing in it is executed.

    Raises:
        ValueError: The file is damaged, or not a checkpoint.
    """
    with open(path, "rb") as file:
        if _is_whole(file):  # or the unpickler raises anything, or reads other numbers
            try:
                checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
                return checkpoint
            except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
                pass
    raise ValueError(
        f"cannot read '{path}' as a checkpoint: it is truncated or damaged, or holds more than tensors and "
        f"plain values. Restore it from a copy, or delete it to start anew."
    )


def _is_whole(file: IO[bytes]) -> bool:
    """Return whether a file is an archive whose parts have the checksums that were written with them."""
    try:
        whole = zipfile.ZipFile(file).testzip() is None
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, struct.error):
        return False
    file.seek(0)
    return whole


def choose_weights(module: pl.LightningModule, best: Path | None, last: Path) -> None:
    """Load the best weights, or the last where no value could be monitored.

    Args:
        module: Module that was trained.
        best: Checkpoint of the best value; None where none was monitored.
        last: Last checkpoint.
    """
    if best is not None and not best.exists():
        warnings.warn(
            "an epoch should end with a number to choose the weights by. Found none, so the last weights are "
            "kept. Does the validation data have labels of two classes, or of two samples?",
            stacklevel=3,
        )
    path = last if best is None or not best.exists() else best
    module.load_state_dict(read_checkpoint(path)["state_dict"])


class Checkpoints(Checkpoint):
    """Keeps ``last.ckpt`` and, by a monitored value, ``best.ckpt``.

    Args:
        folder: Folder of the run.
        every: Steps between checkpoints within an epoch.
        monitor: Name of the value that chooses the best.
        mode: Whether that is the ``"max"`` or the ``"min"``.
        limit: Limit on the time, after which a run may resume with a longer one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every: int | None,
        monitor: str | None,
        mode: str,
        limit: TimeLimit | None = None,
    ) -> None:
        self.folder, self.every, self.monitor, self.sign = folder, every, monitor, 1 if mode == "max" else -1
        self.limit = limit
        self.best: float | None = None
        self.saved_step = 0
        self._stopped = False
        self._cut_short = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning forgets that early stopping had its way.
        trainer.should_stop = trainer.should_stop or self._stopped
        self.saved_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        if self.limit is not None and self.limit.reached:
            self._cut_short = True
            self._save(trainer, "last")
            trainer.limit_val_batches = 0  # a resumed run validates where the epoch ends
            return
        if self.every is None or step % self.every or step == self.saved_step:
            return
        if not trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:  # the epoch's end is near
            self._save(trainer, "last")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._cut_short:
            return
        if self.monitor is not None:
            values = trainer.callback_metrics
            if self.monitor not in values:
                raise ValueError(
                    f"the validation data should have a label for '{self.monitor}', which chooses the "
                    f"weights. Found values of {sorted(k for k in values if k.startswith('val/'))}."
                )
            value = float(values[self.monitor])
            if value == value and (self.best is None or self.sign * value > self.sign * self.best):
                self.best = value
                self._save(trainer, "best")
        self._stopped = trainer.should_stop and not (self.limit is not None and self.limit.reached)
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
