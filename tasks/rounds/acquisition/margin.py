"""Uncertainty by the margin between the two best alternatives."""

from __future__ import annotations

from torch import Tensor

from sennit.tasks.rounds.acquisition._base import register_acquisition
from sennit.tasks.rounds.acquisition._uncertainty import ByScore


@register_acquisition("margin")
class Margin(ByScore):
    """Samples between whose two most probable alternatives there is the smallest margin, ``p_(2) − p_(1)``.

    The score is that difference, at most 0. Of a task with several labels, the mean over the labels.
    Source: Scheffer et al. 2001, "Active Hidden Markov Models for Information Extraction"; Settles 2009
    (§3.1).

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
        >>> Margin(1).score(torch.tensor([[[[0.5, 0.5]], [[0.75, 0.25]]]])).tolist()
        [0.0, -0.5]
    """

    def score(self, probabilities: Tensor) -> Tensor:
        best, second = probabilities.mean(0).topk(2, -1).values.unbind(-1)
        return (second - best).mean(-1)
