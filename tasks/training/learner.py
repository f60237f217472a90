"""Trains a model with Lightning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from sennit.data import Batch
from sennit.tasks.balancing import Balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.balancing.boundary import check_boundary
from sennit.tasks.metrics.evaluator import Evaluator
from sennit.tasks.model.losses import active_tasks, task_losses, training_features
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.outputs import TaskOutput
from sennit.tasks.model.parts import part_of_each
from sennit.tasks.model.step import Batches, as_batches
from sennit.tasks.training.logs import forget_last_step
from sennit.tasks.training.optimization import OptimizerFactory, describe, parameter_groups
from sennit.tasks.training.resumable_module import Resuming
from sennit.tasks.training.schedules import SCHEDULES, Schedule, make_schedule
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sennit.registry import check_part, unknown_name


class Learner(Resuming):
    """A `MultiTaskModel` with AdamW and, optionally, a schedule and a balancing; `fit` trains it.

    Automatic optimization: whatever a Trainer offers (precision, clipping, accumulation, callbacks)
    applies. The loaders give a `Batch`, or several by name (``CombinedLoader``: labelled, unlabelled),
    which then make one step. Logged: ``train/<task>``, ``train/loss``, ``val/<task>/<metric>``, and for
    `sennit.tasks.analysis.draw_curves` by what the weighting multiplies each task's gradient
    (``train/weighting/<task>``), and the balancing what shared parameters receive of it
    (``train/weight/<task>``), with the cosines between gradients (``train/cosine/...``). Its
    checkpoints hold all that a `ResumableLoader`'s run needs to go on exactly.

    Args:
        model: What to train.
        lr: Peak learning rate.
        weight_decay: Of matrices and filters (parameters called ``weight``); never of biases, norms,
            tokens, mixing coefficients (α of a cross-stitch) or weightings.
        schedule: ``"constant"``, ``"cosine"`` (from the peak to zero over the whole run) or
            ``"one_cycle"`` (up to the peak in the first fifth, then down; Smith & Topin 2018).
        warmup: Share of the steps in which a constant or cosine rate first rises linearly.
        lr_scale: By part of the model, what its learning rate is multiplied by. Parts are the
            modalities, ``"fusion"``, ``"sharing"``, ``"weighting"``, ``"heads"``, ``"heads.<task>"``,
            and ``"rules"`` under a decision fusion that learns to decide.
        freeze: Parts that stay as they are: no gradients, norm statistics fixed, no dropout.
        balancing: Weighs what shared parameters receive, from the tasks' gradients.

    Raises:
        TypeError: The balancing needs a boundary that the model's sharing does not have.
        ValueError: An unknown schedule or part, or numbers out of range.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> from sennit.data import BatchDataset
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
        ... )
        >>> data = BatchDataset(Batch.of(
        ...     {"a": torch.randn(64, 3), "b": torch.randn(64, 5)}, targets={"y": torch.arange(64) % 2}
        ... ))
        >>> import pytorch_lightning as pl
        >>> trainer = pl.Trainer(max_epochs=1, accelerator="cpu", logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        >>> trainer.fit(Learner(model), DataLoader(data, batch_size=32, collate_fn=data.collate))
    """

    def __init__(
        self,
        model: MultiTaskModel,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.01,
        schedule: str | Schedule = "constant",
        warmup: float = 0.0,
        lr_scale: Mapping[str, float] | None = None,
        freeze: Sequence[str] = (),
        balancing: Balancing | None = None,
        optimizer: OptimizerFactory | None = None,
    ) -> None:
        super().__init__()
        scales = dict(lr_scale or {})
        if any(scale <= 0 for scale in scales.values()):
            raise ValueError(f"`lr_scale` should be more than 0. Found {scales}. `freeze` stops a part.")
        if balancing is not None:
            check_part("balancing", balancing, Balancing)
            check_boundary(balancing, model.sharing)
            balancing.bind(list(model.tasks))
        self.model, self.balancing = model, balancing
        self.lr, self.weight_decay, self.warmup, self.lr_scale = lr, weight_decay, warmup, scales
        self.options = {
            "lr": lr,
            "weight_decay": weight_decay,
            "warmup": warmup,
            "lr_scale": scales,
            "freeze": list(freeze),
            "balancing": None if balancing is None else balancing.config,
        }
        self.set_optimization(optimizer=optimizer, schedule=schedule)
        part_of_each(model, scales)
        frozen = part_of_each(model, freeze)
        self._frozen = [m for m in model.modules() if id(m) in frozen]
        for p in model.parameters():
            if id(p) in frozen:
                p.requires_grad_(False)
        self._evaluators: dict[int, Evaluator] = {}
        self._look: tuple[list[Batch], list[Tensor]] | None = None
        self.train(self.training)

    def set_optimization(
        self, *, optimizer: OptimizerFactory | None = None, schedule: str | Schedule | None = None
    ) -> None:
        """Choose an optimizer, a schedule, or both; None leaves the choice that was made before.

        Raises:
            ValueError: An unknown schedule, or one beside which a ``warmup`` has no meaning.
        """
        if schedule is not None:
            if isinstance(schedule, str) and schedule not in SCHEDULES:
                raise unknown_name("schedule", schedule, SCHEDULES)
            if not 0 <= self.warmup < 1 or (self.warmup and schedule not in ("constant", "cosine")):
                raise ValueError(
                    f"`warmup` should be from 0 to less than 1, and 0 unless the schedule is 'constant' or "
                    f"'cosine': others have their own. Found {self.warmup} with {schedule!r}."
                )
            self.schedule = schedule
            self.options["schedule"] = schedule if isinstance(schedule, str) else describe(schedule)
        if optimizer is not None or "optimizer" not in self.options:
            self.optimizer_factory = optimizer
            self.options["optimizer"] = "AdamW" if optimizer is None else describe(optimizer)

    def forward(self, batch: Batch) -> dict[str, TaskOutput]:
        outputs: dict[str, TaskOutput] = self.model(batch)
        return outputs

    def train(self, mode: bool = True) -> Learner:
        super().train(mode)
        for module in self._frozen:
            module.training = False
        return self

    def on_train_epoch_start(self) -> None:
        self.train()  # whoever called the model's own `train` woke what is frozen
        for part in self.modules():
            hook = getattr(part, "on_epoch_start", None)
            if hook is not None:
                hook(self.current_epoch)

    def training_step(self, batch: Batches, batch_idx: int) -> Tensor:
        batches = as_batches(batch)
        if self.model.weighting.recheck:
            self._look = batches, _random_state(self.device)
        every = self.trainer.log_every_n_steps
        logs = self.global_step == 0 or (self.global_step + 1) % every == 0  # then the loggers ask
        if self.balancing is None:
            loss, parts = self.model.loss(batches, diagnostics=logs)
        else:
            scaler = getattr(self.trainer.precision_plugin, "scaler", None)  # that of half precision
            scale = 1.0 if scaler is None else scaler.get_scale()
            loss, parts = balanced_loss(self.model, self.balancing, batches, scale=scale, diagnostics=logs)
        if self.global_step % every == 0:
            self._refuse_infinite(parts)
        if logs:
            self._log_parts(parts, sum(b.batch_size for b in batches))
        return loss

    def _refuse_infinite(self, parts: Mapping[str, Tensor]) -> None:
        for name, value in parts.items():
            if not bool(torch.isfinite(value)):
                raise ValueError(
                    f"the training loss should be finite. Found {value.item()} in '{name}' at step "
                    f"{self.global_step}. Lower the learning rate, or clip gradients."
                )

    def _log_parts(self, parts: Mapping[str, Tensor], size: int) -> None:
        forget_last_step(self.trainer)
        self.log("loss", parts["loss"], prog_bar=True, logger=False, batch_size=size)
        self.log_dict({f"train/{k}": v for k, v in parts.items()}, batch_size=size)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.model.sharing.after_step()
        if self._look is None:
            return
        # Here, and not after the batch: a checkpoint may be written before that.
        (batches, state), self._look = self._look, None
        active = active_tasks(self.model, batches)
        # The same random numbers as before the step, so that only the step makes the difference.
        precision = self.trainer.precision_plugin.train_step_context()
        with torch.no_grad(), precision, torch.random.fork_rng():
            _set_random_state(self.device, state)
            features = [training_features(self.model, b, active) for b in batches]
            losses = task_losses(self.model, batches, features, active)
        self.model.weighting.after_step(losses, active)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._evaluator(dataloader_idx).update(batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self._evaluator(dataloader_idx).update(batch)

    def _evaluator(self, loader: int) -> Evaluator:
        if loader not in self._evaluators:
            self._evaluators[loader] = Evaluator(self.model, answers=False, across_ranks=True)
        return self._evaluators[loader]

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val", self.trainer.val_dataloaders)

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test", self.trainer.test_dataloaders)

    def _log_metrics(self, stage: str, loaders: Any) -> None:
        names = list(loaders) if isinstance(loaders, Mapping) else None
        for place, evaluator in sorted(self._evaluators.items()):
            prefix = stage if names is None else f"{stage}/{names[place]}"
            for task, values in evaluator.compute().metrics.items():
                logged = {f"{prefix}/{task}/{metric}": value for metric, value in values.items()}
                self.log_dict(logged, prog_bar=stage == "val")
        self._evaluators.clear()

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(
            self.model, lr=self.lr, weight_decay=self.weight_decay, lr_scale=self.lr_scale
        )
        optimizer = self._adamw(groups) if self.optimizer_factory is None else self.optimizer_factory(groups)
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"`optimizer` should return an Optimizer from parameter groups, as torch.optim.SGD does. "
                f"Found a {type(optimizer).__name__}."
            )
        if self.schedule == "constant" and not self.warmup:
            return optimizer
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        if isinstance(self.schedule, str):
            schedule = make_schedule(optimizer, self.schedule, steps=steps, warmup=self.warmup)
        else:
            schedule = self.schedule(optimizer, steps)
        if not isinstance(schedule, LRScheduler):
            raise TypeError(
                f"`schedule` should return a scheduler of torch.optim.lr_scheduler from an optimizer and the "
                f"number of its steps. Found a {type(schedule).__name__}."
            )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _adamw(self, groups: list[dict[str, Any]]) -> Optimizer:
        # Lightning refuses to clip in mixed precision beside a fused optimizer.
        attached = self._trainer
        clips = attached is not None and bool(attached.gradient_clip_val)
        fused = not (clips and "mixed" in str(attached.precision))
        return torch.optim.AdamW(groups, fused=fused)


def _random_state(device: torch.device) -> list[Tensor]:
    own = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *own]


def _set_random_state(device: torch.device, state: list[Tensor]) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
