"""Running statistics of confidence and of guessed classes."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.tasks.memory import Memory
from sennit.tasks.memory.gathered import gathered


class GuessStatistics(Memory):
    """Moving averages of the confidence of guesses, of its variance, and of the guessed probabilities.

    Args:
        classes: Number of classes; 0 where guesses have no classes.
        decay: Weight of the averages so far.
        mean: Average confidence before the first step.

    Shape:
        confidence ``[R]``, soft ``[R, classes]``.

    Raises:
        ValueError: ``decay`` is not from 0 to less than 1.

    Example:
        >>> statistics = GuessStatistics(2, decay=0.5, mean=0.5)
        >>> statistics.add(torch.tensor([0.9, 0.7]), torch.tensor([[0.9, 0.1], [0.3, 0.7]]))
        >>> statistics.write()
        >>> round(float(statistics.held("mean")), 3), statistics.held("classes").tolist()
        (0.65, [0.550000011920929, 0.44999998807907104])
    """

    def __init__(self, classes: int, *, decay: float, mean: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"`decay` should be from 0 to less than 1. Found {decay}.")
        self.classes, self.decay, self.start = classes, decay, mean
        self._seen: list[tuple[Tensor, Tensor]] = []

    def blank(self) -> dict[str, Tensor]:
        classes = torch.full((self.classes,), 1 / max(self.classes, 1))
        return {"mean": torch.tensor(self.start), "variance": torch.tensor(1.0), "classes": classes}

    def add(self, confidence: Tensor, soft: Tensor) -> None:
        """Keep the guesses of a batch for the end of the step."""
        self._seen.append((confidence.detach().float(), soft.detach().float()))

    @torch.no_grad()
    def write(self) -> None:
        """Move the averages by the step's guesses of all ranks; every rank calls it at the same place."""
        mean, variance, classes = (self.held(name) for name in ("mean", "variance", "classes"))
        seen, self._seen = [(mean.new_zeros(0), classes.new_zeros(0, self.classes)), *self._seen], []
        confidence, soft = gathered(*(torch.cat(parts) for parts in zip(*seen, strict=True)))
        if len(confidence) == 0:
            return
        mean.lerp_(confidence.mean(), 1 - self.decay)
        if len(confidence) > 1:
            variance.lerp_(confidence.var(), 1 - self.decay)
        if self.classes:
            classes.lerp_(soft.mean(0), 1 - self.decay)
