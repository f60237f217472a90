"""Choosing the samples with the largest scores: the base of active learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sennit.registry import check_names
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.acquisition._base import Acquisition, Choice, RoundState, best
from sennit.tasks.rounds.looks import check_alternatives, tasks_to_ask
from sennit.tasks.rounds.pool import Pool


class ByScore(Acquisition):
    """Asks a person for the labels with the largest scores; a subclass defines `score`.

    Scores of several tasks are combined. The score of a sample is the mean of the weighted scores of the
    tasks whose label it lacks and of which it has a modality, and all of these labels are asked for; or,
    with ``ask="label"``, each label of each sample competes by its weighted score, so that one task's label
    of a sample may be asked for and another's not.

    Args:
        count: Number of samples, or of labels, in a round.
        of: Task or tasks; None for all labelled tasks of the model.
        weights: Weight of each task's score; 1 for tasks that are not named.
        ask: ``"sample"`` or ``"label"``.
    """

    passes = 0

    def __init__(
        self,
        count: int,
        *,
        of: str | Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
        ask: str = "sample",
    ) -> None:
        if count < 1:
            raise ValueError(f"`count` should be 1 or more. Found {count}.")
        if ask not in ("sample", "label"):
            raise ValueError(f"`ask` should be 'sample' or 'label'. Found '{ask}'.")
        self.count, self.ask, self.weights = count, ask, dict(weights or {})
        self.of = None if of is None else (of,) if isinstance(of, str) else tuple(of)

    def check(self, models: Sequence[MultiTaskModel], pool: Pool) -> None:
        for model in models:
            asked = tasks_to_ask(model, self.of, pool)
            check_names("task in `weights`", self.weights, asked)
            for task in asked:
                self.check_task(task, model)

    def check_task(self, name: str, model: MultiTaskModel) -> None:
        """Refuse a task that has no score."""
        check_alternatives(name, model.tasks[name])

    def score(self, probabilities: Tensor) -> Tensor:
        """Return the score of each sample for one task.

        Shape:
            ``[S, N, L, C]``: looks, samples, questions (labels) and alternatives; result ``[N]``.
        """
        raise NotImplementedError

    def scores(self, state: RoundState, tasks: Sequence[str], ids: Sequence[int]) -> dict[str, Tensor]:
        """Return the score ``[N]`` of each sample for each task."""
        every = state.looks.probabilities(tasks, ids, passes=self.passes)
        return {task: self.score(p) for task, p in every.items()}

    def choose(self, state: RoundState) -> list[Choice]:
        tasks = tasks_to_ask(state.models[0], self.of, state.pool)
        open_labels = {t: set(state.looks.readable(t, state.pool.unlabelled(t))) for t in tasks}
        ids = [i for i in state.pool.ids if any(i in of_task for of_task in open_labels.values())]
        if not ids:
            return []
        scores = {
            task: (self.weights.get(task, 1.0) * of_task.double()).masked_fill(
                torch.tensor([i not in open_labels[task] for i in ids]), -torch.inf
            )
            for task, of_task in self.scores(state, tasks, ids).items()
        }
        table = torch.stack([scores[task] for task in tasks], 1)
        chosen = torch.zeros_like(table, dtype=torch.bool)
        if self.ask == "label":
            count = min(self.count, int(table.isfinite().sum()))
            chosen.view(-1)[best(table.flatten(), count)] = True
        else:
            lacking = table.isfinite()
            mean = table.masked_fill(~lacking, 0).sum(1) / lacking.sum(1)
            chosen[best(mean, self.count)] = True
            chosen &= lacking
        return [
            choice
            for place, task in enumerate(tasks)
            if (choice := _choice(task, ids, scores[task], chosen[:, place])) is not None
        ]


def _choice(task: str, ids: Sequence[int], scores: Tensor, chosen: Tensor) -> Choice | None:
    rows = chosen.nonzero().flatten()
    rows = rows[best(scores[rows], None)]
    if len(rows) == 0:
        return None
    return Choice(task, tuple(ids[row] for row in rows.tolist()), tuple(scores[rows].tolist()))
