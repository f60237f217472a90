"""A finalist in files: its answers, its scores and, until the choice, its weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sennit.search.final.margin import Tuned
from sennit.tasks.metrics import Answers

RESULT, WEIGHTS = "result.pt", "weights.pt"


@dataclass(frozen=True)
class Outcome:
    """A finalist after its tuning.

    Args:
        frozen: Score before the tuning: the mean of the tasks that the search is about.
        tuned: Score after it, or before it where that is better; the mean over repeats.
        loss: Mean validation loss of these tasks, of the state that counts.
        kept_frozen: Whether the tuning made it no better.
        parameters: Number of parameters.
        seconds: Seconds of its trainings.
        answers: Answers on validation data of each repeat.
    """

    frozen: float
    tuned: float
    loss: float
    kept_frozen: bool
    parameters: int
    seconds: float
    answers: Tuned


def read_outcome(folder: Path) -> Outcome | None:
    """Return the outcome that a folder holds; None where the finalist is not finished."""
    if not (folder / RESULT).is_file():
        return None
    values = torch.load(folder / RESULT, weights_only=True)
    answers = [{task: Answers(**of_task) for task, of_task in repeat.items()} for repeat in values["answers"]]
    return Outcome(**{**values, "answers": answers})


def write_outcome(folder: Path, outcome: Outcome, weights: Mapping[str, Tensor]) -> None:
    """Write an outcome, after the weights, so that a finished one has both."""
    save(folder / WEIGHTS, dict(weights))
    answers = [{task: vars(of_task) for task, of_task in repeat.items()} for repeat in outcome.answers]
    save(folder / RESULT, {**vars(outcome), "answers": answers})


def save(path: Path, values: Any) -> None:
    """Write values for `torch.load`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}-{os.getpid()}.new")  # torch refuses a name that is only a suffix
    torch.save(values, new)
    os.replace(new, path)
