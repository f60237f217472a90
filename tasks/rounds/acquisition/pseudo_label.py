"""Self-training: confident predictions become labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.registry import check_names
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.acquisition._base import (
    Acquisition,
    Choice,
    RoundState,
    best,
    register_acquisition,
)
from sennit.tasks.rounds.looks import check_alternatives, tasks_to_ask
from sennit.tasks.rounds.pool import By, Pool


@register_acquisition("pseudo_label")
class PseudoLabel(Acquisition):
    """Labels by the model itself, where its prediction has a probability of at least ``threshold``.

    In each round the labels of the round before are withdrawn and given anew by the model trained with them,
    as in noisy student: a mistake does not stay for ever. Of a task with several labels those that are sure
    become labels, the others stay unknown; data with one flag a sample take samples that are sure throughout.
    Labels by a person are never touched.
    Source: Scudder 1965, "Probability of error of some adaptive pattern-recognition machines"; Xie et al.
    2020, "Self-training with Noisy Student improves ImageNet classification".

    Args:
        threshold: Least probability.
        count: Largest number of samples of each task, the surest; None for all.
        of: Task or tasks; None for all labelled tasks of the model.
        by: Giver in whose name the labels are, ``"model"`` or ``"teacher"``.

    Raises:
        TypeError: A task without alternatives, such as a regression.
        ValueError: ``threshold`` or ``count`` out of range, an unknown task, or a person as the giver.

    Example:
        >>> PseudoLabel(0.9, of="digit").config["threshold"]
        0.9
    """

    def __init__(
        self,
        threshold: float = 0.95,
        *,
        count: int | None = None,
        of: str | Sequence[str] | None = None,
        by: By = "model",
    ) -> None:
        if not 0 <= threshold <= 1 or (count is not None and count < 1):
            raise ValueError(
                f"`threshold` should be from 0 to 1, and `count` 1 or more. Found {threshold} and {count}."
            )
        check_names("giver of pseudo-labels", [by], ("model", "teacher"))
        self.threshold, self.count, self.by = threshold, count, by
        self.of = None if of is None else (of,) if isinstance(of, str) else tuple(of)

    def check(self, models: Sequence[MultiTaskModel], pool: Pool) -> None:
        for model in models:
            for task in tasks_to_ask(model, self.of, pool):
                check_alternatives(task, model.tasks[task])

    def choose(self, state: RoundState) -> list[Choice]:
        choices = []
        for task in tasks_to_ask(state.models[0], self.of, state.pool):
            earlier = [i for i, giver in state.pool.givers(task).items() if giver == self.by]
            ids = state.looks.readable(task, [*state.pool.unlabelled(task), *earlier])
            if not ids:
                continue
            probabilities = state.looks.probabilities([task], ids)[task].squeeze(0)
            kept, scores, values = self._sure(probabilities, partial=state.pool.partial(task))
            rows = kept.nonzero().flatten()
            rows = rows[best(scores[rows], self.count)]
            if len(rows) == 0 and not earlier:
                continue
            choices.append(
                Choice(
                    task,
                    tuple(ids[row] for row in rows.tolist()),
                    tuple(scores[rows].tolist()),
                    by=self.by,
                    values=tuple(_label(values[row]) for row in rows.tolist()),
                    anew=True,
                )
            )
        return choices

    def _sure(self, probabilities: Tensor, *, partial: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return which samples become labelled ``[N]``, their confidence ``[N]``, and labels ``[N, L]``."""
        confidence, alternative = probabilities.max(-1)
        sure = confidence >= self.threshold
        kept = sure.any(1) if partial else sure.all(1)
        mean = (confidence * sure).sum(1) / sure.sum(1).clamp(min=1)
        return kept, mean, alternative.double().masked_fill(~sure, torch.nan)


def _label(row: Tensor) -> Any:
    """Return a plain label: the index of a class, or a list of labels with NaN for an unknown one."""
    return int(row) if len(row) == 1 else row.tolist()
