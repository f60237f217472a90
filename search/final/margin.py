"""The choice among finalists, with a margin against chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sennit.search.ranked import fold_difference
from sennit.tasks import Task
from sennit.tasks.metrics import Answers

_DRAWS = 200
Tuned = Sequence[Mapping[str, Answers]]
"""Answers on validation data by task, of each repeat of a training."""


@dataclass(frozen=True)
class Scored:
    """A finalist as the choice sees it.

    Args:
        name: Name.
        by_hand: Whether it was picked by hand.
        score: Mean score of the tasks that the search is about.
        loss: Mean validation loss of them; breaks ties.
        parameters: Number of parameters; breaks further ties.
        answers: Answers of each repeat.
        folds: Error in each fold of the search; empty without folds, or for a fusion without a genome.
    """

    name: str
    by_hand: bool
    score: float
    loss: float
    parameters: int
    answers: Tuned
    folds: Sequence[float] = ()


def score_of(answers: Tuned, tasks: Mapping[str, Task], rows: Tensor | None = None) -> float:
    """Return the mean score over repeats and tasks, of some rows or all."""
    scores = []
    for repeat in answers:
        for name, task in tasks.items():
            of = repeat[name]
            parts = (of.logits, of.targets, of.counted)
            scores.append(task.score(*(parts if rows is None else (part[rows] for part in parts))))
    return float(np.mean(scores))


def paired_difference(
    ours: Tuned, theirs: Tuned, tasks: Mapping[str, Task], groups: Sequence[int], *, seed: int = 0
) -> tuple[float, float | None]:
    """Return the difference of two scores on the same samples, and its standard error.

    The error is the standard deviation over 200 draws of whole groups with replacement; None where there is a
    single group.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap" (§6.2), of clusters.

    Args:
        ours: Answers.
        theirs: Answers that they are compared with.
        tasks: Tasks whose mean score counts.
        groups: Group of each sample, such as its subject.
        seed: Random seed of the draws.
    """
    difference = score_of(ours, tasks) - score_of(theirs, tasks)
    _, group_of = np.unique(np.asarray(groups), return_inverse=True)
    rows_of = [np.flatnonzero(group_of == group) for group in range(group_of.max() + 1)]
    if len(rows_of) < 2:
        return difference, None
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(_DRAWS):
        drawn = rng.integers(len(rows_of), size=len(rows_of))
        rows = torch.from_numpy(np.concatenate([rows_of[group] for group in drawn]))
        draws.append(score_of(ours, tasks, rows) - score_of(theirs, tasks, rows))
    return difference, float(np.nanstd(draws, ddof=1))


def choose(
    finalists: Sequence[Scored], tasks: Mapping[str, Task], groups: Sequence[int], *, margin: float
) -> tuple[str, str]:
    """Return the name of the chosen finalist, and why in a sentence.

    The first finalist, the plain one, is kept unless the best beats it by the margin; the best fusion picked
    by hand is kept unless the best found one beats it in the same way. Among equal scores the lower loss
    wins, then the smaller number of parameters. With folds, their errors decide in place of the scores, and
    fusions without a genome, which were not trained in the folds, are not chosen.

    Args:
        finalists: Finalists; the first is picked by hand, and plain.
        tasks: Tasks whose mean score counts.
        groups: Group of each validation sample.
        margin: Standard errors of the paired difference.
    """
    plain = finalists[0]
    if plain.folds:
        finalists = [finalist for finalist in finalists if finalist.folds]
    elif len(set(groups)) < 2:
        return plain.name, (
            f"All validation samples are of one group, which shows no difference beyond chance: the plain "
            f"fusion {plain.name} is kept."
        )
    best = min(finalists, key=_order)
    hand = min((f for f in finalists if f.by_hand), key=_order)
    if best is plain:
        return plain.name, f"The plain fusion {plain.name} is the best on validation data."
    over_plain, words = _beats(best, plain, tasks, groups, margin)
    if not over_plain:
        return plain.name, f"The plain fusion {plain.name} is as good: {words}."
    if best.by_hand:
        return best.name, f"Picked by hand, {best.name} is the best: {words}."
    over_hand, words = _beats(best, hand, tasks, groups, margin)
    if not over_hand:
        return hand.name, f"Picked by hand, {hand.name} is as good as what was found: {words}."
    return best.name, f"What was found is the best: {words}."


def difference_of(
    ours: Scored, theirs: Scored, tasks: Mapping[str, Task], groups: Sequence[int]
) -> tuple[float, float | None]:
    """Return by how much one finalist is better, and the standard error: over folds, or over groups."""
    if ours.folds and theirs.folds:
        return fold_difference(theirs.folds, ours.folds)
    return paired_difference(ours.answers, theirs.answers, tasks, groups)


def _order(finalist: Scored) -> tuple[float, float, int]:
    error = float(np.mean(finalist.folds)) if finalist.folds else -finalist.score
    return error, finalist.loss, finalist.parameters


def _beats(
    ours: Scored, theirs: Scored, tasks: Mapping[str, Task], groups: Sequence[int], margin: float
) -> tuple[bool, str]:
    difference, error = difference_of(ours, theirs, tasks, groups)
    assert error is not None
    where = "over the folds" if ours.folds else "on validation data"
    words = f"{ours.name} is {difference:+.4f} ± {error:.4f} against {theirs.name} {where}"
    return difference > margin * error and difference > 0, words
