"""The choices of a study over trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial

Value = str | int | float | bool
Choices = Mapping[str, Value]
"""A value of each choice, by name."""


@dataclass(frozen=True)
class Between:
    """A number between two bounds.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Whether values are drawn evenly in their logarithm, as learning rates should be.

    Raises:
        ValueError: The bounds are not in order, or not above 0 with ``log``.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"`low` should be below `high`. Found {self.low} and {self.high}.")
        if self.log and self.low <= 0:
            raise ValueError(f"`low` should be above 0 where `log` is true. Found {self.low}.")

    def suggest(self, trial: Trial, name: str) -> float:
        """Return the value of a trial."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class OneOf:
    """One of several values.

    Args:
        values: Values.

    Raises:
        ValueError: There is none.
    """

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("`values` should hold at least one value. Found none.")

    def suggest(self, trial: Trial, name: str) -> Value:
        """Return the value of a trial."""
        value = trial.suggest_categorical(name, self.values)
        assert value is not None
        return value


TrainingSpace = Mapping[str, Between | OneOf]
