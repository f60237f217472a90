"""Bayesian active learning by disagreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.acquisition._base import register_acquisition
from sennit.tasks.rounds.acquisition._uncertainty import ByScore
from sennit.tasks.rounds.acquisition.entropy import entropy
from sennit.tasks.rounds.pool import Pool
from sennit.tasks.rounds.stochastic import dropout_modules


@register_acquisition("bald")
class BALD(ByScore):
    """Samples about which looks with dropout disagree: the information that a label has about the weights.

    ``H[E_w p] − E_w H[p]``, the mutual information of label and weights, with the expectation over
    `sennit.tasks.rounds.stochastic` looks: dropout is drawn anew for each sample and look, wherever the model
    drops something (in layers and within attention), norms are as in evaluation and no modality is hidden. Of
    a task with several labels, the mean over the labels.
    Source: Houlsby et al. 2011, "Bayesian Active Learning for Classification and Preference Learning" (eq.
    2); Gal et al. 2017, "Deep Bayesian Active Learning with Image Data" (by MC dropout).

    Args:
        count: Number of samples, or of labels, in a round.
        passes: Number of looks.
        of: Task or tasks; None for all labelled tasks of the model.
        weights: Weight of each task's score; 1 for tasks that are not named.
        ask: ``"sample"`` or ``"label"``, as in `Entropy`.

    Shape:
        probabilities ``[S, N, L, C]`` to scores ``[N]``.

    Raises:
        TypeError: A task without alternatives, such as a regression, or a model without dropout.
        ValueError: ``count`` is below 1, ``passes`` below 2, an unknown task, or an unknown ``ask``.

    Example:
        >>> import torch
        >>> looks = torch.tensor([[[[1.0, 0.0]], [[0.5, 0.5]]], [[[0.0, 1.0]], [[0.5, 0.5]]]])
        >>> BALD(1).score(looks)  # sure of either, and unsure in each look
        tensor([0.6931, 0.0000])
    """

    def __init__(
        self,
        count: int,
        *,
        passes: int = 20,
        of: str | Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
        ask: str = "sample",
    ) -> None:
        super().__init__(count, of=of, weights=weights, ask=ask)
        if passes < 2:
            raise ValueError(f"`passes` should be 2 or more, to disagree. Found {passes}.")
        self.passes = passes

    def check(self, models: Sequence[MultiTaskModel], pool: Pool) -> None:
        super().check(models, pool)
        if not all(dropout_modules(model) for model in models):
            raise TypeError(
                "acquisition 'bald' compares looks with dropout, so the model needs some. Found none. Give "
                "its encoders or its sharing `dropout`, or choose by 'entropy'."
            )

    def score(self, probabilities: Tensor) -> Tensor:
        disagreement = entropy(probabilities.mean(0)) - entropy(probabilities).mean(0)
        return disagreement.mean(-1)
