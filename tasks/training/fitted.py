"""The result of a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fitted:
    """Result of a training.

    Attributes:
        best: Best monitored value, if one was monitored.
        steps: Optimizer steps, in all.
        epochs: Epochs, in all; ``steps`` or ``max_time`` may have cut the last one short.
        waiting: Share of the time that this process spent waiting for training data, 0 to 1; NaN where a
            loader does not count it.
        checkpoint: ``last.ckpt``, if there is a folder.
        best_checkpoint: ``best.ckpt``, if a value was monitored.
    """

    best: float | None
    steps: int
    epochs: int
    waiting: float
    checkpoint: Path | None
    best_checkpoint: Path | None = None
