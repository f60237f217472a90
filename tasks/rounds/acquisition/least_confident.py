"""Uncertainty by the most probable alternative."""

from __future__ import annotations

from torch import Tensor

from sennit.tasks.rounds.acquisition._base import register_acquisition
from sennit.tasks.rounds.acquisition._uncertainty import ByScore


@register_acquisition("least_confident")
class LeastConfident(ByScore):
    """Samples whose most probable alternative is the least probable, by ``1 − max_c p_c``.

    With one look this is the variation ratio. Of a task with several labels, the mean over the labels.
    Source: Lewis & Gale 1994, "A Sequential Algorithm for Training Text Classifiers"; Settles 2009 (§3.1).

    Args:
        count: Number of samples, or of labels, in a round.
        of: Task or tasks; None for all labelled tasks of the model.
        weights: Weight of each task's score; 1 for tasks that are not named.
        ask: ``"sample"`` or ``"label"``, as in `Entropy`.

    Shape:
        probabilities ``[S, N, L, C]`` to scores ``[N]``.

    Raises:
        TypeError: A task without alternatives, such as a regression.
        ValueError: ``count`` is below 1, an unknown task, or an unknown ``ask``.

    Example:
        >>> import torch
        >>> LeastConfident(1).score(torch.tensor([[[[0.5, 0.5]], [[0.75, 0.25]]]])).tolist()
        [0.5, 0.25]
    """

    def score(self, probabilities: Tensor) -> Tensor:
        return (1 - probabilities.mean(0).amax(-1)).mean(-1)
