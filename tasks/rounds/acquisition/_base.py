"""The base of acquisitions, which choose the labels of a round, and their registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from sennit.configurable import Configurable
from sennit.registry import Registry
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.rounds.looks import Looks
from sennit.tasks.rounds.pool import By, Pool


@dataclass(frozen=True)
class Choice:
    """Labels of one task that a round asks for, or gives.

    Attributes:
        task: Name of the task.
        ids: Ids of the samples, the best first.
        scores: Score of each.
        by: Giver of the labels.
        values: Label of each; None where they are to be asked for.
        learner: Index of the learner that receives them; None for all.
        notes: Numbers that a later round needs.
        anew: Whether earlier labels by the same giver are withdrawn first.
    """

    task: str
    ids: tuple[int, ...]
    scores: tuple[float, ...]
    by: By = "human"
    values: tuple[Any, ...] | None = None
    learner: int | None = None
    notes: Mapping[str, float] = field(default_factory=dict)
    anew: bool = False


@dataclass(frozen=True)
class RoundState:
    """The models, the samples and the earlier choices that an acquisition sees at the end of a round.

    Attributes:
        models: Trained model of each learner, in evaluation mode.
        pool: Samples with the labels that all learners know.
        looks: The models' outputs for samples of the pool.
        history: Choices of the rounds before, the oldest first.
        key: Key of the random numbers: the seed and the round.
    """

    models: Sequence[MultiTaskModel]
    pool: Pool
    looks: Looks
    history: Sequence[Sequence[Choice]]
    key: tuple[int, ...]


class Acquisition(Configurable):
    """Chooses samples whose labels the next round should have, or gives them labels.

    A subclass defines `choose`, and `check` where it needs something of the models or of the pool.

    Attributes:
        learners: Number of learners that it compares.
    """

    learners: ClassVar[int] = 1

    def check(self, models: Sequence[MultiTaskModel], pool: Pool) -> None:
        """Refuse models and a pool that it cannot work with, before anything is trained.

        Raises:
            TypeError: A task or a model is of the wrong kind; the message names it.
            ValueError: An unknown task.
        """

    def choose(self, state: RoundState) -> list[Choice]:
        """Return the choices of a round; none where there is nothing left to choose."""
        raise NotImplementedError


ACQUISITIONS: Registry[Acquisition] = Registry("acquisition")
register_acquisition = ACQUISITIONS.register


def create_acquisition(name: str, *args: Any, **options: Any) -> Acquisition:
    """Make an acquisition by name: ``create_acquisition("entropy", 20)``.

    Raises:
        ValueError: Unknown name or option; close matches are named.
    """
    return ACQUISITIONS.create(name, *args, **options)


def list_acquisitions(pattern: str = "*") -> list[str]:
    """Return the names of the acquisitions that match a shell pattern."""
    return ACQUISITIONS.list(pattern)


def best(scores: Tensor, count: int | None) -> list[int]:
    """Return the places of the largest scores, the largest first; of equal ones the first comes first.

    Raises:
        ValueError: A score is NaN.

    Example:
        >>> import torch
        >>> best(torch.tensor([0.1, 0.5, 0.5]), 2)
        [1, 2]
    """
    if bool(scores.isnan().any()):
        raise ValueError("scores should be numbers. Found NaN: does the model's output hold NaN?")
    order: list[int] = scores.sort(descending=True, stable=True).indices[:count].tolist()
    return order
