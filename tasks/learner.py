"""Trains a model with Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from encoders import Batch
from encoders._registry import unknown_name
from tasks.balancing import Balancing
from tasks.balancing.feature_level import balanced_loss
from tasks.losses import Batches, as_batches
from tasks.model import MultiTaskModel
from tasks.reduce import agree_on_active
from tasks.types import TaskOutput

_SCHEDULES = ("constant", "cosine", "one_cycle")


class Learner(pl.LightningModule):
    """A `MultiTaskModel` with AdamW and, optionally, a schedule and a balancing.

    Automatic optimization: whatever a Trainer offers (precision, clipping, accumulation, callbacks)
    applies. The loaders give a `Batch`, or several by name (``CombinedLoader``: labelled, unlabelled),
    which then make one step. Logged: ``train/<task>``, ``train/loss``, ``val/<task>/<metric>``.

    Args:
        model: What to train.
        lr: Peak learning rate.
        weight_decay: Of matrices and filters (parameters called ``weight``); never of biases, norms,
            tokens, mixing coefficients (α of a cross-stitch) or weightings.
        schedule: ``"constant"``, ``"cosine"`` (from the peak to zero over the whole run) or
            ``"one_cycle"`` (up to the peak in the first fifth, then down; Smith & Topin 2018).
        balancing: Weighs what shared parameters receive, from the tasks' gradients.

    Raises:
        TypeError: The balancing needs a boundary that the model's sharing does not have.

    Example:
        >>> from torch.utils.data import DataLoader
        >>> from encoders import BatchDataset, create_encoder; from fusion import create_fusion
        >>> from tasks import Classification
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
        ... )
        >>> data = BatchDataset(Batch.of(
        ...     {"a": torch.randn(64, 3), "b": torch.randn(64, 5)}, targets={"y": torch.arange(64) % 2}
        ... ))
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
        schedule: str = "constant",
        balancing: Balancing | None = None,
    ) -> None:
        super().__init__()
        if schedule not in _SCHEDULES:
            raise unknown_name("schedule", schedule, _SCHEDULES)
        if balancing is not None and not model.sharing.has_boundary:
            raise TypeError(
                f"balancing '{balancing.registry_name}' needs a tensor at which the tasks part, and "
                f"sharing '{model.sharing.registry_name}' has none. Use another sharing, such as 'hard'."
            )
        self.model, self.balancing = model, balancing
        self.lr, self.weight_decay, self.schedule = lr, weight_decay, schedule
        self.metrics = nn.ModuleDict()
        self._before: tuple[int, list[Tensor]] | None = None

    def forward(self, batch: Batch) -> dict[str, TaskOutput]:
        outputs: dict[str, TaskOutput] = self.model(batch)
        return outputs

    def on_train_epoch_start(self) -> None:
        for part in self.modules():
            hook = getattr(part, "on_epoch_start", None)
            if hook is not None:
                hook(self.current_epoch)

    def training_step(self, batch: Batches, batch_idx: int) -> Tensor:
        if self.model.weighting.second_look:
            self._before = (self.global_step, _random_state(self.device))
        if self.balancing is None:
            loss, parts = self.model.loss(batch)
        else:
            loss, parts = balanced_loss(self.model, self.balancing, batch)
        if self.global_step % self.trainer.log_every_n_steps == 0:
            self._log_parts(parts, as_batches(batch))
        return loss

    def _log_parts(self, parts: Mapping[str, Tensor], batches: list[Batch]) -> None:
        for name, value in parts.items():
            if not bool(torch.isfinite(value)):
                raise ValueError(
                    f"the training loss should be finite. Found {value.item()} in '{name}' at step "
                    f"{self.global_step}. Lower the learning rate, or clip gradients."
                )
        size = sum(b.batch_size for b in batches)
        self.log("loss", parts["loss"], prog_bar=True, logger=False, batch_size=size)
        self.log_dict({f"train/{k}": v for k, v in parts.items()}, batch_size=size)

    def on_train_batch_end(self, outputs: Any, batch: Batches, batch_idx: int) -> None:
        if self._before is None or self.global_step == self._before[0]:
            return  # nothing asked for, or gradients are still being accumulated
        batches = as_batches(batch)
        active = self.model.active(batches)
        # The same random numbers as before the step, so that only the step makes the difference.
        precision = self.trainer.precision_plugin.train_step_context()
        with torch.no_grad(), precision, torch.random.fork_rng():
            _set_random_state(self.device, self._before[1])
            features = [self.model.training_features(b, active) for b in batches]
            losses = self.model.task_losses(batches, features, active)
        self.model.weighting.after_step(losses, active)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._update_metrics(batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._update_metrics(batch)

    def _update_metrics(self, batch: Batch) -> None:
        outputs = self.model(batch)
        for i, (name, out) in enumerate(outputs.items()):
            if name not in batch.targets:
                continue
            task, key = self.model.tasks[name], str(i)
            if key not in self.metrics:
                self.metrics[key] = task.metrics().to(out.logits.device)
            known = batch.labelled[name]
            readable = self.model.readable(name, batch)
            if readable is not None:
                known = known & readable.reshape(-1, *[1] * (known.dim() - 1))
            collection = self.metrics[key]
            if bool(known.any()):
                task.update_metrics(collection, out.logits, batch.targets[name], known)  # type: ignore[arg-type]

    def on_validation_epoch_end(self) -> None:
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        self._log_metrics("test")

    def _log_metrics(self, stage: str) -> None:
        fed = [any(m.update_called for m in own.values()) for own in self.metrics.values()]  # type: ignore[operator]
        for (key, metrics), is_fed in zip(
            self.metrics.items(), agree_on_active(fed, self.device), strict=True
        ):
            if not is_fed:  # no label in the whole set
                continue
            name = self.model.with_head[int(key)]
            values = metrics.compute()  # type: ignore[operator]
            self.log_dict({f"{stage}/{name}/{k}": v for k, v in values.items()}, prog_bar=stage == "val")
        self.metrics.clear()

    def configure_optimizers(self) -> Any:
        apart = {id(p) for p in self.model.weighting.parameters()}
        decayed: list[nn.Parameter] = []
        spared: list[nn.Parameter] = []
        for name, p in self.named_parameters():
            if p.requires_grad:
                is_weight = p.dim() >= 2 and "weight" in name.rpartition(".")[2] and id(p) not in apart
                (decayed if is_weight else spared).append(p)
        groups = [
            {"params": decayed, "weight_decay": self.weight_decay},
            {"params": spared, "weight_decay": 0.0},
        ]
        # Lightning refuses to clip in mixed precision beside a fused optimizer.
        attached = self._trainer
        clips = attached is not None and bool(attached.gradient_clip_val)
        fused = not (clips and "mixed" in str(attached.precision))
        optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=self.lr, fused=fused)
        if self.schedule == "constant":
            return optimizer
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        scheduler: LRScheduler
        if self.schedule == "cosine":
            scheduler = CosineAnnealingLR(optimizer, T_max=steps)
        else:
            # One step more, since the scheduler also moves after the last one; a rise of a step at least.
            rise = max(0.2, 2 / (steps + 1))
            scheduler = OneCycleLR(
                optimizer, self.lr, total_steps=steps + 1, pct_start=rise, cycle_momentum=False
            )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _random_state(device: torch.device) -> list[Tensor]:
    own = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *own]


def _set_random_state(device: torch.device, state: list[Tensor]) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
