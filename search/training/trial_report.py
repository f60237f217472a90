"""The reports of a training in progress to its study."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.trial import Trial


class TrialReport:
    """Takes in the value of each epoch, and says when the training should stop.

    Args:
        trial: Trial of the study.

    Attributes:
        pruned: Whether the training should stop.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial, self.pruned = trial, False

    @property
    def number(self) -> int:
        """Number of the trial."""
        return self._trial.number

    def __call__(self, epoch: int, value: float) -> bool:
        """Report the value after an epoch; return whether the training should stop."""
        self._trial.report(value, epoch)
        self.pruned = self._trial.should_prune()
        return self.pruned
