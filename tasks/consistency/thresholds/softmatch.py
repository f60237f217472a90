"""Weights that fall off as a Gaussian below the average confidence."""

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


@register_threshold("softmatch")
class SoftMatch(Threshold):
    """Weighs a guess by how far its confidence is below the average; those above it have weight 1.

    ``λ(p) = exp(−(max p − μ)² / 2σ²)`` where ``max p < μ``, else 1, with the moving averages μ and σ² of the
    confidence and of its unbiased variance. With ``uniform`` the weights are those of the probabilities
    divided by their moving average and normalised, so that rare classes count as common ones do.
    Source: Chen et al. 2023, "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised
    Learning" (eq. 5-8).

    Args:
        decay: Weight of the averages so far.
        uniform: Whether probabilities are aligned with equally frequent classes first.

    Raises:
        ValueError: ``decay`` is not from 0 to less than 1.
        TypeError: ``uniform``, and the task that guesses is no classification.

    Example:
        >>> SoftMatch(decay=0.99).uniform
        True
    """

    statistics: GuessStatistics

    def __init__(self, *, decay: float = 0.999, uniform: bool = True) -> None:
        super().__init__()
        self.decay, self.uniform = decay, uniform
        self.statistics = GuessStatistics(0, decay=decay, mean=0.5)

    def bind(self, name: str, lender: Task) -> None:
        if self.uniform:
            classes = number_of_classes(name, "softmatch", lender)
            self.statistics = GuessStatistics(classes, decay=self.decay, mean=1 / classes)

    def weights(self, lender: Task, guesses: Guesses) -> Tensor:
        confidence, soft = guesses.confidence.float(), guesses.confidence.new_zeros(len(guesses.label), 0)
        mean, variance = self.statistics.held("mean"), self.statistics.held("variance")
        if self.uniform:
            soft = lender.soft_target(guesses.output).float()
            aligned = soft / self.statistics.held("classes").clamp(min=torch.finfo(soft.dtype).tiny)
            aligned = aligned / aligned.sum(-1, keepdim=True)
            confidence = aligned.amax(-1)
        weight = torch.exp(-(confidence - mean).clamp(max=0).square() / (2 * variance))
        if self.training and torch.is_grad_enabled():  # not a second look at the step
            kept = slice(None) if guesses.counted is None else guesses.counted
            self.statistics.add(confidence[kept], soft[kept])
        return weight

    def after_step(self) -> None:
        self.statistics.write()
