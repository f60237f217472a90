"""Logs of a training that resume where its checkpoint does."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger, Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from sennit.tasks.training.checkpoints import read_checkpoint
from sennit.tasks.training.named_loggers import LOGGERS, named_logger


def make_loggers(folder: Path | None, checkpoint: Path | None, extra: Sequence[Logger | str]) -> list[Logger]:
    """Return a logger to ``metrics.csv``, where there is a folder, and the loggers asked for.

    Args:
        folder: Folder of the run.
        checkpoint: Checkpoint that the training resumes from; rows and events logged after it are dropped.
        extra: Lightning loggers, or names of `named_logger`.

    Raises:
        ValueError: An unknown name, or a name without a folder.
        TypeError: Something other than a logger.
        ImportError: The library of a logger is not installed.
    """
    step = None if checkpoint is None else int(read_checkpoint(checkpoint)["global_step"])
    loggers: list[Logger] = []
    if folder is not None:
        table = CSVLogger(folder, name="", version="")
        if rank_zero_only.rank == 0:
            _keep_rows(table, folder / "metrics.csv", step or 0)
        loggers.append(table)
    return loggers + [_logger(logger, folder, step) for logger in extra]


def _logger(logger: Any, folder: Path | None, step: int | None) -> Logger:
    if isinstance(logger, Logger):
        return logger
    if not isinstance(logger, str):
        raise TypeError(
            f"`loggers` should hold Lightning loggers, or names of {sorted(LOGGERS)}. Found a "
            f"{type(logger).__name__}."
        )
    if folder is None:
        raise ValueError(f"the logger '{logger}' needs a `folder` of the run. Found none.")
    return named_logger(logger, folder, step)


def forget_last_step(trainer: pl.Trainer) -> None:
    """Let a value that the next training step does not log again be absent from the logs.

    Lightning would repeat the last value, such as the loss of a task without a label in this step.
    """
    for logged in (trainer._results or {}).values():
        if logged.meta.fx == "training_step":
            logged.has_reset = True


def _keep_rows(logger: CSVLogger, path: Path, step: int) -> None:
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
