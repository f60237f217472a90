"""The labels of tri-training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sennit.data.random_state import keyed_random_state
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.acquisition._base import (
    Acquisition,
    Choice,
    RoundState,
    register_acquisition,
)
from sennit.tasks.rounds.looks import tasks_to_ask
from sennit.tasks.rounds.pool import Pool


@register_acquisition("agreement")
class Agreement(Acquisition):
    """For each of three learners, the samples on which the other two agree, with their label.

    A learner receives its labels anew in each round, and only where the error of the other two on the
    labelled samples, ``e`` (the share of wrong labels among those on which they agree), has fallen enough
    beside the number of samples, ``l``: ``e < e'`` and ``e l < e' l'`` with the values of its last labels,
    where needed with a random subset of ``⌈e' l' / e − 1⌉`` samples. Else it receives none and is not trained
    again; where no learner receives any, the rounds end.
    Source: Zhou & Li 2005, "Tri-Training: Exploiting Unlabeled Data Using Three Classifiers" (table 1);
    ``disagreement``: Søgaard 2010, "Simple Semi-Supervised Training of Part-Of-Speech Taggers".

    Args:
        of: Task, a classification; None for the only labelled task of the model.
        disagreement: Whether a learner receives only labels that it does not predict itself.
        bounded: Whether the conditions on ``e`` and ``l`` hold; without them every learner is trained again
            in every round, as in Ruder & Plank 2018, "Strong Baselines for Neural Semi-Supervised Learning".

    Raises:
        TypeError: The task is not one of classes.
        ValueError: An unknown task, or several of which none is named.

    Example:
        >>> allowed(0.1, 40, before=(0.2, 30)), allowed(0.2, 40, before=(0.1, 30))
        (40, 0)
        >>> allowed(0.1, 80, before=(0.2, 30))  # a subset: .1 · 59 < .2 · 30
        59
    """

    learners = 3

    def __init__(self, of: str | None = None, *, disagreement: bool = False, bounded: bool = True) -> None:
        self.of, self.disagreement, self.bounded = of, disagreement, bounded

    def _task(self, model: MultiTaskModel, pool: Pool) -> str:
        asked = tasks_to_ask(model, None if self.of is None else (self.of,), pool)
        if len(asked) != 1:
            raise ValueError(
                f"`of` should name the task of an agreement where a model has several. Found {asked}."
            )
        return asked[0]

    def check(self, models: Sequence[MultiTaskModel], pool: Pool) -> None:
        for model in models:
            task = self._task(model, pool)
            target = model.targets[task]
            if target.classes is None or target.shape:
                raise TypeError(
                    f"acquisition 'agreement' needs a task of classes. Found '{task}', a "
                    f"{model.tasks[task].registry_name}."
                )

    def choose(self, state: RoundState) -> list[Choice]:
        task = self._task(state.models[0], state.pool)
        labelled = state.looks.readable(task, list(state.pool.givers(task)))
        unlabelled = state.looks.readable(task, state.pool.unlabelled(task))
        if not unlabelled:
            return []
        truth = torch.tensor([int(value) for value in state.pool.values(labelled, task)])
        every = range(self.learners)
        on_labelled = [self._predict(state, task, labelled, i)[1] for i in every]
        predicted = [self._predict(state, task, unlabelled, i) for i in every]
        choices = []
        for i in every:
            (p, first), (q, second) = predicted[(i + 1) % 3], predicted[(i + 2) % 3]
            error = joint_error(on_labelled[(i + 1) % 3], on_labelled[(i + 2) % 3], truth)
            agreed = first == second
            if self.disagreement:
                agreed &= predicted[i][1] != first
            rows = agreed.nonzero().flatten()
            count = len(rows)
            if self.bounded:
                count = allowed(error, len(rows), before=_last(state.history, i))
            if count < len(rows):
                with keyed_random_state((*state.key, i)):
                    rows = rows[torch.randperm(len(rows))[:count].sort().values]
            if len(rows):
                choices.append(
                    Choice(
                        task,
                        tuple(unlabelled[row] for row in rows.tolist()),
                        tuple(((p + q) / 2)[rows].tolist()),
                        by="model",
                        values=tuple(first[rows].tolist()),
                        learner=i,
                        notes={"error": error},
                        anew=True,
                    )
                )
        return choices

    @staticmethod
    def _predict(state: RoundState, task: str, ids: Sequence[int], learner: int) -> tuple[Tensor, Tensor]:
        p = state.looks.probabilities([task], ids, learner=learner)[task][0, :, 0]
        confidence, label = p.max(-1)
        return confidence, label


def joint_error(first: Tensor, second: Tensor, truth: Tensor) -> float:
    """Return the share of wrong labels among those on which two learners agree; a half where they never do.

    Example:
        >>> joint_error(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), torch.tensor([0, 0, 1]))
        0.5
    """
    agree = first == second
    return float((first != truth)[agree].double().mean()) if bool(agree.any()) else 0.5


def allowed(error: float, count: int, *, before: tuple[float, int] | None) -> int:
    """Return how many of ``count`` agreed samples a learner receives.

    Args:
        error: Joint error of the other two learners.
        count: Number of samples on which they agree.
        before: Error and number of the learner's last labels; None where it has had none.
    """
    error_before, count_before = (0.5, 0) if before is None else before
    if error >= error_before:
        return 0
    if count_before == 0:
        count_before = math.floor(error / (error_before - error) + 1)
    if count_before >= count:
        return 0
    if error * count < error_before * count_before:
        return count
    if count_before > error / (error_before - error):
        return math.ceil(error_before * count_before / error - 1)
    return 0


def _last(history: Sequence[Sequence[Choice]], learner: int) -> tuple[float, int] | None:
    """Return the error and the number of the last labels that a learner received."""
    received = [choice for choices in history for choice in choices if choice.learner == learner]
    return (received[-1].notes["error"], len(received[-1].ids)) if received else None
