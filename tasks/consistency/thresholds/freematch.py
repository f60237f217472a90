"""A threshold that follows the average confidence, lower for rare classes."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.tasks._base import Task
from sennit.tasks.consistency.thresholds._base import (
    Guesses,
    Threshold,
    number_of_classes,
    register_threshold,
)
from sennit.tasks.consistency.thresholds.statistics import GuessStatistics


@register_threshold("freematch")
class FreeMatch(Threshold):
    """Weighs a guess by 1 if it is at least as confident as the guesses of its class were, on average.

    ``τ(c) = τ · p̃(c) / max p̃``, with the moving averages τ of the confidence and p̃ of the probabilities;
    both begin at one over the number of classes. The paper's fairness loss is not part of it.
    Source: Wang et al. 2023, "FreeMatch: Self-adaptive Thresholding for Semi-supervised Learning" (eq. 5-7).

    Args:
        decay: Weight of the averages so far.

    Raises:
        ValueError: ``decay`` is not from 0 to less than 1.
        TypeError: The task that guesses is no classification.

    Example:
        >>> FreeMatch().decay
        0.999
    """

    statistics: GuessStatistics

    def __init__(self, *, decay: float = 0.999) -> None:
        super().__init__()
        self.decay = decay
        self.statistics = GuessStatistics(0, decay=decay, mean=0.0)

    def bind(self, name: str, lender: Task) -> None:
        classes = number_of_classes(name, "freematch", lender)
        self.statistics = GuessStatistics(classes, decay=self.decay, mean=1 / classes)

    def weights(self, lender: Task, guesses: Guesses) -> Tensor:
        shares = self.statistics.held("classes")
        least = self.statistics.held("mean") * shares / shares.amax()
        weight = (guesses.confidence >= least[guesses.label]).to(guesses.confidence.dtype)
        if self.training and torch.is_grad_enabled():  # not a second look at the step
            kept = slice(None) if guesses.counted is None else guesses.counted
            self.statistics.add(guesses.confidence[kept], lender.soft_target(guesses.output)[kept])
        return weight

    def after_step(self) -> None:
        self.statistics.write()
