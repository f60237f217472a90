"""The end of a training that its study prunes."""

from __future__ import annotations

import pytorch_lightning as pl

from sennit.search.training.trial_report import TrialReport


class PruneTraining(pl.Callback):
    """Reports the monitored value after each validation, and stops the training when the study says so.

    Args:
        report: Report of the trial.
        monitor: Name of the value, as `sennit.tasks.fit` monitors it.
    """

    def __init__(self, report: TrialReport, monitor: str) -> None:
        self.report, self.monitor = report, monitor

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the value."""
        if not trainer.sanity_checking:
            value = float(trainer.callback_metrics[self.monitor])
            trainer.should_stop |= self.report(trainer.current_epoch, value)
