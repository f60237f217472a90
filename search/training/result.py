"""The trials of a study over trainings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sennit.search.training.choices import Value


@dataclass(frozen=True)
class TrialResult:
    """One training.

    Attributes:
        number: Number of the trial.
        choices: Its choices.
        state: ``"complete"``, ``"pruned"`` or ``"failed"``.
        value: Its value; that of the last report if it was pruned; None if it failed before any.
        epochs: Number of reports.
        seconds: Duration.
        error: Error of a failed training.
    """

    number: int
    choices: Mapping[str, Value]
    state: str
    value: float | None
    epochs: int
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class TrainingResult:
    """All trainings of a study, and the best of them.

    Attributes:
        trials: Every training that ended, in the order of their numbers.
        mode: Whether the best value is the ``"max"`` or the ``"min"``.
    """

    trials: Sequence[TrialResult]
    mode: str

    @property
    def best(self) -> TrialResult:
        """The complete training of the best value; of equals the earliest.

        Raises:
            ValueError: No training is complete.
        """
        complete = [t for t in self.trials if t.state == "complete" and t.value is not None]
        if not complete:
            raise ValueError(
                f"a study should have a complete training. Found {len(self.trials)} that are not. Give it a "
                f"longer `timeout`, or more `trials`."
            )
        sign = 1.0 if self.mode == "max" else -1.0
        return max(complete, key=lambda t: (sign * float(t.value or 0.0), -t.number))
