"""What `sennit.tasks.fit` needs around Lightning's own loop."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from sennit.data import ResumableLoader
from sennit.tasks.training.checkpoints import Checkpoints
from sennit.tasks.training.learner import Learner
from torch import Tensor

from sennit.registry import unknown_name

_HINTS = (
    ".*does not have many workers.*",
    r"Found \d+ module\(s\) in eval mode.*",  # what is frozen
    ".*treespec, LeafSpec.*",  # Lightning 2.6 beside torch 2.14
)


def check_choice(
    learner: Learner, validation: Any, monitor: str | None, mode: str, patience: int | None
) -> None:
    if mode not in ("max", "min"):
        raise ValueError(f"`mode` should be 'max' or 'min'. Found '{mode}'.")
    if patience is not None and monitor is None:
        raise ValueError("`patience` needs `monitor`: the value that should get better. Found none.")
    if monitor is None:
        return
    if validation is None:
        raise ValueError(f"`monitor` needs `validation` data. Found none for '{monitor}'.")
    tasks = learner.model.tasks
    known = [f"val/{t}/{k}" for t in learner.model.with_head for k in tasks[t].metrics()]
    if monitor not in known:
        raise unknown_name("value to monitor", monitor, known)


def warn_of_unfitted(learner: Learner) -> None:
    """Warn where a fusion would be trained on random features and groups, instead of measured ones."""
    columns = learner.model.fused_encoders
    names = {f.registry_name: None for c in columns for f in c.fusions() if f.fits and not f.fitted}
    for name in names:
        warnings.warn(
            f"fusion '{name}' measures something on training data, and never did: what it chooses is "
            f"random. Call `model.fit_preprocessing(batch)` before the training.",
            stacklevel=3,
        )


class MovingAverage(WeightAveraging):
    """Averages weights and statistics; whole numbers (indices, counts) are those of the model.

    The mean of two equal ones may be rounded down, and so be another feature's index.

    Args:
        decay: Of the average.
    """

    def __init__(self, decay: float) -> None:
        def average(mean: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
            return torch.lerp(value, mean, decay) if mean.is_floating_point() else value

        super().__init__(avg_fn=average)


class Waiting(pl.Callback):
    """The share of the time that the training spent waiting for data."""

    def __init__(self, loaders: Iterable[ResumableLoader]) -> None:
        self.loaders = list(loaders)
        self.share = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.start = time.perf_counter(), self._waited()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        seconds = time.perf_counter() - self.start[0]
        self.share = (self._waited() - self.start[1]) / seconds

    def _waited(self) -> float:
        return sum(loader.waited_s for loader in self.loaders)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        for hint in _HINTS:
            warnings.filterwarnings("ignore", hint)
        yield


@contextmanager
def interruptible(checkpoints: Checkpoints) -> Iterator[None]:
    """Turn Lightning's exit on Ctrl-C, after which no second one is heard, back into an interrupt."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        signal.signal(signal.SIGINT, handler)
        where = checkpoints.saved_step
        say(
            "Interrupted. "
            + (f"resume=True goes on from step {where}." if where else "No checkpoint was written yet.")
        )
        raise KeyboardInterrupt from None


@rank_zero_only  # type: ignore[untyped-decorator]
def say(text: str) -> None:
    print(text, flush=True)
