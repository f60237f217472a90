"""Outputs of trained models for samples of a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sennit.data import Batch
from sennit.modes import evaluating
from sennit.registry import check_names
from sennit.tasks._base import Task
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.pool import Pool
from sennit.tasks.rounds.seeds import seeded
from sennit.tasks.rounds.stochastic import stochastic


@dataclass(frozen=True)
class Looks:
    """Looks of models at samples of a pool, in the order of the ids and without gradients.

    Args:
        models: Models to ask.
        pool: Pool that holds the samples.
        collate: Function from samples to a batch.
        batch_size: Samples in a batch.
        key: Key of the random numbers of looks with dropout.
    """

    models: Sequence[MultiTaskModel]
    pool: Pool
    collate: Callable[[Any], Batch]
    batch_size: int
    key: tuple[int, ...]

    def batches(self, ids: Sequence[int]) -> Iterator[Batch]:
        """Yield samples as batches."""
        rows = self.pool.rows(ids)
        for start in range(0, len(rows), self.batch_size):
            yield self.collate(self.pool.__getitems__(rows[start : start + self.batch_size]))

    def logits(
        self, tasks: Sequence[str], ids: Sequence[int], *, learner: int = 0, passes: int = 0
    ) -> dict[str, Tensor]:
        """Return the logits of tasks on the CPU, from one encoding of each sample.

        Args:
            tasks: Names of the tasks.
            ids: Ids of the samples, one or more.
            learner: Index of the model.
            passes: Number of looks with dropout; 0 for one look without.

        Raises:
            TypeError: Looks with dropout at a model without any.

        Shape:
            ``[passes, N, ...]`` each; one pass without dropout.
        """
        model = self.models[learner]
        device = next(model.parameters()).device
        looks: dict[str, list[Tensor]] = {task: [] for task in tasks}
        with torch.no_grad(), stochastic(model) if passes else evaluating(model):
            for number, batch in enumerate(self.batches(ids)):
                moved = batch.to(device)
                with seeded((*self.key, learner, number)):
                    every = [model(moved) for _ in range(passes or 1)]
                for task, of_task in looks.items():
                    of_task.append(torch.stack([outputs[task].logits for outputs in every]).cpu())
        return {task: torch.cat(of_task, 1) for task, of_task in looks.items()}

    def probabilities(
        self, tasks: Sequence[str], ids: Sequence[int], *, learner: int = 0, passes: int = 0
    ) -> dict[str, Tensor]:
        """Return the probabilities of tasks in float64, as `logits`.

        Shape:
            ``[passes, N, 1, C]`` of a class, ``[passes, N, L, 2]`` of labels.
        """
        logits = self.logits(tasks, ids, learner=learner, passes=passes)
        of_model = self.models[learner].tasks
        return {t: torch.stack([alternatives(of_model[t], x) for x in every]) for t, every in logits.items()}

    def readable(self, task: str, ids: Sequence[int], *, learner: int = 0) -> list[int]:
        """Return those of the ids whose sample has a modality that the task reads."""
        model, seen = self.models[learner], []
        if model.reads[task] is None:
            return list(ids)
        for batch in self.batches(ids):
            flags = model.readable(task, batch)
            seen.append(torch.ones(batch.batch_size, dtype=torch.bool) if flags is None else flags)
        return [i for i, on in zip(ids, torch.cat(seen).tolist(), strict=True) if on] if seen else []


def tasks_to_ask(model: MultiTaskModel, of: Sequence[str] | None, pool: Pool) -> tuple[str, ...]:
    """Return the tasks that an acquisition is about: those of ``of``, or all that have labels and answer.

    Raises:
        ValueError: The model does not answer a task, or the pool does not have it.
    """
    answering = [task for task in model.targets if task in model.answering]
    check_names("task in `of`", of or (), answering)
    asked = tuple(answering if of is None else of)
    check_names("task of the pool", asked, pool.tasks)
    return asked


def alternatives(task: Task, logits: Tensor) -> Tensor:
    """Return the probability of each alternative of each question that a task answers, in float64.

    Shape:
        logits ``[N, ...]``, result ``[N, 1, C]`` of a class, ``[N, L, 2]`` of labels.
    """
    scores = task.scores(logits).double()
    return torch.stack([1 - scores, scores], -1) if _is_labels(task) else scores.unsqueeze(1)


def check_alternatives(name: str, task: Task) -> None:
    """Refuse a task without alternatives, whose uncertainty has no probabilities.

    Raises:
        TypeError: The task answers with numbers, or for pixels or tokens.
    """
    spec = task.target
    if spec is not None and ((spec.classes is not None and not spec.shape) or _is_labels(task)):
        return
    kind = task.registry_name or type(task).__name__
    raise TypeError(
        f"an acquisition by probabilities needs a task that chooses a class or labels. Found '{name}', a "
        f"{kind}. Name other tasks by `of`, or choose by 'random'."
    )


def _is_labels(task: Task) -> bool:
    return task.target is not None and task.target.probability and len(task.target.shape) == 1
