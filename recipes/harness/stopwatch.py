"""The time of several trainings together."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sennit.tasks import Fitted, Learner, fit


@dataclass
class Stopwatch:
    """Time of the trainings that went through `fit`.

    Attributes:
        seconds: Seconds of training.
        waited_s: Seconds of these spent waiting for data.
        left_out: Most samples that an epoch leaves out, as they fill no batch.
    """

    seconds: float = 0.0
    waited_s: float = 0.0
    left_out: int = 0

    @property
    def waiting(self) -> float:
        """Share of the time spent waiting for data."""
        return self.waited_s / self.seconds

    def fit(self, learner: Learner, loader: Any, **options: Any) -> Fitted:
        """Train silently on the CPU as `sennit.tasks.fit` does, and add the time.

        Args:
            learner: Model and how it learns.
            loader: Training data.
            **options: Further arguments of `sennit.tasks.fit`.
        """
        start = time.perf_counter()
        fitted = fit(learner, loader, accelerator="cpu", progress=False, **options)
        seconds = time.perf_counter() - start
        self.seconds += seconds
        self.waited_s += fitted.waiting * seconds
        if getattr(loader, "drop_last", False):
            self.left_out = max(self.left_out, len(loader.dataset) % loader.batch_size)
        return fitted
