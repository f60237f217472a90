"""Uncertainty by entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from sennit.tasks.rounds.acquisition._base import register_acquisition
from sennit.tasks.rounds.acquisition._uncertainty import ByScore


@register_acquisition("entropy")
class Entropy(ByScore):
    """Samples whose prediction has the largest entropy, ``−Σ_c p_c log p_c`` (in nats).

    Of a task with several labels, the mean over the labels.
    Source: Shannon 1948; Settles 2009, "Active Learning Literature Survey" (§3.1).

    Args:
        count: Number of samples, or of labels, in a round.
        of: Task or tasks; None for all labelled tasks of the model.
        weights: Weight of each task's score; 1 for tasks that are not named.
        ask: ``"sample"`` for the labels of all these tasks of a sample, by the mean of their scores, or
            ``"label"`` for the label of one task.

    Shape:
        probabilities ``[S, N, L, C]`` to scores ``[N]``.

    Raises:
        TypeError: A task without alternatives, such as a regression.
        ValueError: ``count`` is below 1, an unknown task, or an unknown ``ask``.

    Example:
        >>> Entropy(1).score(torch.tensor([[[[0.5, 0.5]], [[1.0, 0.0]]]]))
        tensor([0.6931, 0.0000])
    """

    def score(self, probabilities: Tensor) -> Tensor:
        return entropy(probabilities.mean(0)).mean(-1)


def entropy(probabilities: Tensor) -> Tensor:
    """Return ``−Σ_c p_c log p_c`` over the last axis; 0 log 0 is 0."""
    terms: Tensor = torch.special.entr(probabilities)
    return terms.sum(-1)
