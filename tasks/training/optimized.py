"""The optimizer and the schedule of a learner."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch

from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.training.optimization import OptimizerFactory, describe, make_optimizer, parameter_groups
from sennit.tasks.training.schedules import Schedule, check_schedule, make_schedule


class Optimized(pl.LightningModule):
    """A module with a model, whose parameter groups, optimizer and schedule it makes.

    Attributes:
        model: Model to train.
        options: Options that a resumed run must have too.
    """

    model: MultiTaskModel
    lr: float
    weight_decay: float
    warmup: float
    lr_scale: dict[str, float]
    layer_decay: dict[str, float]
    schedule: str | Schedule
    options: dict[str, Any]
    optimizer_factory: OptimizerFactory | None = None

    def set_optimization(
        self, *, optimizer: OptimizerFactory | None = None, schedule: str | Schedule | None = None
    ) -> None:
        """Choose an optimizer, a schedule, or both; None leaves the choice that was made before.

        Raises:
            TypeError: Either is not a function, nor, for a schedule, a name.
            ValueError: An unknown schedule, or one beside which a ``warmup`` has no meaning.
        """
        if not (optimizer is None or callable(optimizer)):
            raise TypeError(f"`optimizer` should be a function, as torch.optim.SGD is. Found {optimizer!r}.")
        if schedule is not None:
            check_schedule(schedule, self.warmup)
            self.schedule = schedule
        if optimizer is not None:
            self.optimizer_factory = optimizer
        named = isinstance(self.schedule, str)
        self.options["schedule"] = self.schedule if named else describe(self.schedule)
        self.options["optimizer"] = describe(self.optimizer_factory or torch.optim.AdamW)

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(
            self.model,
            lr=self.lr,
            weight_decay=self.weight_decay,
            lr_scale=self.lr_scale,
            layer_decay=self.layer_decay,
        )
        # Lightning refuses to clip in mixed precision beside a fused optimizer.
        trainer = self._trainer
        clips = trainer is not None and bool(trainer.gradient_clip_val)
        fused = not (clips and "mixed" in str(trainer.precision))
        optimizer = make_optimizer(groups, self.optimizer_factory, fused=fused)
        if self.schedule == "constant" and not self.warmup:
            return optimizer
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = make_schedule(optimizer, self.schedule, steps=steps, warmup=self.warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
