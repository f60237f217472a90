"""The base class of thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sennit.configurable import Configurable
from sennit.registry import Registry
from sennit.tasks._base import Task
from sennit.tasks.labelled.classification import Classification


@dataclass(frozen=True)
class Guesses:
    """The labels that a task's outputs name for the rows of a view.

    Attributes:
        output: Outputs of the task.
        label: Label that each names.
        confidence: Confidence of each.
        counted: Mask of the rows that count; None for all.
        loader: Name of the loader of the samples.
        index: Id of the sample of each row; None where they have none.

    Shape:
        output as the task's head gives it ``[R, ...]``, label as its target, the others ``[R]``.
    """

    output: Tensor
    label: Tensor
    confidence: Tensor
    counted: Tensor | None = None
    loader: str | None = None
    index: Tensor | None = None


class Threshold(Configurable, nn.Module):
    """Weighs guessed labels, from 0 to 1, by how confident a model is of them.

    What it remembers of earlier steps is written after the optimizer's step, equal on all ranks and in
    checkpoints; a step is weighed by the steps before it.
    """

    def bind(self, name: str, lender: Task) -> None:
        """Take what is needed of the task that guesses.

        Args:
            name: Name of the task that is weighed.
            lender: Task that guesses.

        Raises:
            TypeError: The threshold has no meaning for its kind.
        """

    def weights(self, lender: Task, guesses: Guesses) -> Tensor:
        """Return the weight of each row ``[R]``."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Write what the step showed; every rank calls it at the same place."""


THRESHOLDS: Registry[Threshold] = Registry("threshold")
register_threshold = THRESHOLDS.register


def create_threshold(name: str, *args: Any, **options: Any) -> Threshold:
    """Make a threshold by name: ``create_threshold("softmatch", decay=0.99)``."""
    return THRESHOLDS.create(name, *args, **options)


def list_thresholds(pattern: str = "*") -> list[str]:
    """Return the names of the thresholds that match a shell pattern."""
    return THRESHOLDS.list(pattern)


def number_of_classes(name: str, kind: str, lender: Task) -> int:
    """Return the number of classes of the task that guesses.

    Raises:
        TypeError: It is no classification.
    """
    if not isinstance(lender, Classification):
        raise TypeError(
            f"task '{name}' has a threshold '{kind}', which counts classes, and is of a {lender.kind}. Use a "
            f"number, or be of a classification."
        )
    return len(lender.classes)


def threshold_of(value: float | Mapping[str, Any] | Threshold) -> Threshold:
    """Return the threshold that an option names: a number, a config, or a threshold itself.

    Raises:
        TypeError: Something else.
        ValueError: A number that is not from 0 to 1, or a wrong config.
    """
    if isinstance(value, Threshold):
        return value
    if isinstance(value, Mapping):
        return THRESHOLDS.build(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return create_threshold("fixed", float(value))
    raise TypeError(f"`threshold` should be a number from 0 to 1, or create_threshold(...). Found {value!r}.")
