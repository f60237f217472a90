"""Logs of a training that go on where its checkpoint does."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from sennit.tasks.training.checkpoints import read_checkpoint


def make_loggers(folder: Path, checkpoint: Path | None) -> list[Logger]:
    """Loggers to ``metrics.csv`` and to TensorBoard's events.

    Args:
        folder: Where to.
        checkpoint: From where the training goes on; what was logged after it is dropped.
    """
    step = None if checkpoint is None else int(read_checkpoint(checkpoint)["global_step"])
    table = CSVLogger(folder, name="", version="")
    if rank_zero_only.rank == 0:
        _keep(table, folder / "metrics.csv", step or 0)
    return [table, TensorBoardLogger(folder, name="tensorboard", version="", purge_step=step)]


def forget_last_step(trainer: pl.Trainer) -> None:
    """Before a training step logs: what it does not log again has no value in it.

    Lightning would repeat the last value, such as the loss of a task without a label in this step.
    """
    for logged in (trainer._results or {}).values():
        if logged.meta.fx == "training_step":
            logged.has_reset = True


def _keep(logger: CSVLogger, path: Path, step: int) -> None:
    """Give the logger the rows of earlier steps; it would delete the file."""
    rows = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [r for r in csv.DictReader(file) if int(r["step"]) < step]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        writer = logger.experiment
    writer.metrics = [{k: v for k, v in row.items() if v != ""} for row in rows]
    writer.save()
