"""A threshold for each class, lower for those that are learned slowly."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sennit.tasks._base import Task
from sennit.tasks.consistency.thresholds._base import (
    Guesses,
    Threshold,
    number_of_classes,
    register_threshold,
)
from sennit.tasks.memory.sample_memory import SampleMemory


@register_threshold("flexmatch")
class FlexMatch(Threshold):
    """Weighs a guess by 1 if its confidence reaches the threshold of its class.

    ``τ(c) = τ · M(β(c))`` with ``M(x) = x / (2 − x)`` and ``β(c) = σ(c) / max(max σ, N − Σ σ)``: σ(c) is the
    number of the N samples whose last confident guess, of at least τ, was the class c.
    Source: Zhang et al. 2021, "FlexMatch: Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling"
    (eq. 5, 6, 9, 11).

    Every sample needs an id, ``Batch.index``: from 0 on, in each loader.

    Args:
        samples: Number of samples (N); by loader, where the task learns from several.
        least: Confidence τ that a class reaches once it is learned.

    Raises:
        ValueError: ``least`` is not from 0 to 1; a sample without an id.
        TypeError: The task that guesses is no classification.

    Example:
        >>> FlexMatch(60_000).memory.size
        60000
    """

    def __init__(self, samples: int | Mapping[str, int], *, least: float = 0.95) -> None:
        super().__init__()
        if not 0 <= least <= 1:
            raise ValueError(f"`least` should be from 0 to 1. Found {least}.")
        self.least, self.classes = least, 0
        self.memory = SampleMemory(samples, dtype=torch.long)
        self._seen: list[tuple[Tensor, Tensor]] = []

    def bind(self, name: str, lender: Task) -> None:
        self.classes = number_of_classes(name, "flexmatch", lender)

    def thresholds(self) -> Tensor:
        """Return the threshold of each class ``[C]``."""
        learned = self.memory.held("values")[self.memory.held("counts") > 0].bincount(minlength=self.classes)
        share = learned / torch.maximum(learned.amax(), self.memory.size - learned.sum())
        return self.least * share / (2 - share)

    def weights(self, lender: Task, guesses: Guesses) -> Tensor:
        rows = self.memory.rows(guesses.loader, guesses.index)
        weight = (guesses.confidence >= self.thresholds()[guesses.label]).to(guesses.confidence.dtype)
        if self.training and torch.is_grad_enabled():  # not a second look at the step
            certain = guesses.confidence >= self.least
            certain = certain if guesses.counted is None else certain & guesses.counted
            self._seen.append((rows[certain], guesses.label[certain]))
        return weight

    def after_step(self) -> None:
        values = self.memory.held("values")
        rows, labels = (
            torch.cat([values[:0], *(pair[i].to(values) for pair in self._seen)]) for i in range(2)
        )
        self._seen = []
        self.memory.write(rows, labels)
