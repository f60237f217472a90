"""The validation and test of a module in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from sennit.data import Batch
from sennit.tasks.metrics.evaluator import Evaluator
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.training.monitored import logged_values, warn_of_no_number


class EvaluatedModule(pl.LightningModule):
    """A module whose model is evaluated, and its metrics logged, on each validation or test loader.

    Attributes:
        model: Model.
    """

    model: MultiTaskModel

    def __init__(self) -> None:
        super().__init__()
        self._evaluators: dict[int, Evaluator] = {}
        self._warned = False

    def setup(self, stage: str) -> None:
        """Leave inputs in float32: encoders cast them, after they have read codes and spectra."""
        # Lightning also refuses to cast a frozen batch, and waveforms would lose their quiet parts.
        self.trainer.precision_plugin.convert_input = _unchanged

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx not in self._evaluators:
            self._evaluators[dataloader_idx] = Evaluator(self.model, answers=False, across_ranks=True)
        self._evaluators[dataloader_idx].update(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.validation_step(batch, batch_idx, dataloader_idx)

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val", self.trainer.val_dataloaders)

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test", self.trainer.test_dataloaders)

    def _log_metrics(self, stage: str, loaders: Any) -> None:
        names = list(loaders) if isinstance(loaders, Mapping) else None
        values: dict[str, float] = {}
        if not self.trainer.sanity_checking:  # a few batches, in which a task may lack the labels it needs
            for place, evaluator in sorted(self._evaluators.items()):
                prefix = stage if names is None else f"{stage}/{names[place]}"
                values |= logged_values(prefix, evaluator.compute(), evaluator.leading)
        self.log_dict(values, prog_bar=stage == "val")
        undefined = [name for name, value in values.items() if math.isnan(value)]
        if undefined and not self._warned:
            self._warned = True
            warn_of_no_number(undefined)
        self._evaluators.clear()


def _unchanged(data: Any) -> Any:
    return data
