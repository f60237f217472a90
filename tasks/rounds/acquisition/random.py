"""Chance: the baseline that an acquisition should beat."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.data.random_state import keyed_random_state
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.acquisition._base import RoundState, register_acquisition
from sennit.tasks.rounds.acquisition._uncertainty import ByScore


@register_acquisition("random")
class Random(ByScore):
    """Samples drawn evenly, of tasks of any kind.

    Scores are uniform numbers, by the seed of the rounds and the round: one for each sample, or with
    ``ask="label"`` for each label.
    Source: no paper; compare every acquisition with it.

    Args:
        count: Number of samples, or of labels, in a round.
        of: Task or tasks; None for all labelled tasks of the model.
        ask: ``"sample"`` or ``"label"``, as in `Entropy`.

    Raises:
        ValueError: ``count`` is below 1, an unknown task, or an unknown ``ask``.

    Example:
        >>> Random(20).config["count"]
        20
    """

    def __init__(self, count: int, *, of: str | Sequence[str] | None = None, ask: str = "sample") -> None:
        super().__init__(count, of=of, ask=ask)

    def check_task(self, name: str, model: MultiTaskModel) -> None:
        """Take tasks of any kind."""

    def scores(self, state: RoundState, tasks: Sequence[str], ids: Sequence[int]) -> dict[str, Tensor]:
        with keyed_random_state(state.key):
            drawn = torch.rand(len(tasks), len(ids), dtype=torch.float64)
        return {task: drawn[place if self.ask == "label" else 0] for place, task in enumerate(tasks)}
