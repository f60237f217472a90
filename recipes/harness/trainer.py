"""A Lightning Trainer and a loader for fits so short that their own output would drown the results."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from torch.utils.data import DataLoader

_KNOWN = (
    ".*does not have many workers.*",  # batches are cut from memory
    ".*no `val_dataloader`.*",  # what is chosen is chosen outside
    ".*treespec, LeafSpec.*",  # Lightning 2.6 beside torch 2.14
)


def quiet_trainer(*, steps: int) -> pl.Trainer:
    """A Trainer on the CPU that takes ``steps`` steps and says nothing."""
    silence()
    for message in _KNOWN:
        warnings.filterwarnings("ignore", message)
    return pl.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def silence() -> None:
    """Only errors from Lightning, which speaks by the name of the package that was imported last."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)


@dataclass
class Stopwatch:
    """Seconds spent training, and of these waiting for data."""

    seconds: float = 0.0
    waited_s: float = 0.0


class TimedLoader(DataLoader[Any]):
    """A DataLoader that counts the seconds its consumer waits, in ``waited_s``."""

    waited_s = 0.0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        batches = super().__iter__()
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            self.waited_s += time.perf_counter() - start
            if batch is None:
                return
            yield batch
