"""Training of a model with Lightning: steps, metrics, optimizer, checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from sennit.data import Batch
from sennit.ramp import Progress
from sennit.registry import check_part
from sennit.sizes import check_at_least
from sennit.tasks.balancing import Balancing
from sennit.tasks.balancing.balanced_loss import balanced_loss
from sennit.tasks.balancing.boundary import check_boundary, warn_of_places
from sennit.tasks.model.active import NothingToLearn
from sennit.tasks.model.model import MultiTaskModel
from sennit.tasks.model.outputs import TaskOutput
from sennit.tasks.model.parts import part_of_each
from sennit.tasks.model.prepare import Batches, Prepared, prepare
from sennit.tasks.teachers import Teacher, bind_teacher
from sennit.tasks.training.evaluated import EvaluatedModule
from sennit.tasks.training.finite import FiniteLosses, refuse_infinite_weights
from sennit.tasks.training.idle import IdleTasks
from sennit.tasks.training.idle_steps import IdleSteps
from sennit.tasks.training.layer_decay import layer_factors
from sennit.tasks.training.logs import forget_last_step
from sennit.tasks.training.optimization import OptimizerFactory
from sennit.tasks.training.optimized import Optimized
from sennit.tasks.training.ramps import check_ramps, check_same_length
from sennit.tasks.training.run_state import (
    check_options,
    check_shapes,
    restore_parts,
    restore_run,
    run_state,
    torch_random_state,
)
from sennit.tasks.training.schedules import Schedule
from sennit.tasks.training.second_look import second_look


class Learner(Optimized, IdleSteps, EvaluatedModule):
    """A `MultiTaskModel` with an optimizer, a schedule and, optionally, a balancing; `fit` trains it.

    Optimization is automatic: whatever a Trainer offers (precision, clipping, accumulation, callbacks)
    applies. Loaders yield a `Batch`, or several by name (``CombinedLoader``: labelled, unlabelled), which
    then make one step. Logged are ``train/<task>``, ``train/loss``, ``val/<task>/<metric>`` (with several
    validation loaders ``val/<loader>/<task>/<metric>``) and, for `sennit.tasks.analysis.draw_curves`, the
    factor by which the weighting multiplies each task's gradient (``train/weighting/<task>``) and the
    balancing what shared parameters receive of it (``train/weight/<task>``), with the cosines between
    gradients (``train/cosine/...``). Checkpoints hold all that a run with a `ResumableLoader` needs to
    resume exactly; those of another model or of other options are refused. They hold no parts:
    ``Learner.load_from_checkpoint(path, model=model)`` needs a model of the same ones.

    Args:
        model: Model to train.
        lr: Peak learning rate.
        weight_decay: Weight decay of matrices and filters (parameters called ``weight``); biases, norms,
            tokens, mixing coefficients (α of a cross-stitch) and weightings never decay.
        schedule: ``"constant"``, ``"cosine"`` (from the peak to zero over the whole run), ``"one_cycle"``
            (up to the peak in the first fifth, then down; Smith & Topin 2018), or a function from the
            optimizer and the number of its steps to a scheduler that moves once a step.
        warmup: Share of the steps in which a constant or cosine rate first rises linearly.
        lr_scale: Factors of the learning rate, by part of the model. Parts are the modalities, ``"fusion"``,
            ``"sharing"``, ``"weighting"``, ``"heads"``, ``"heads.<task>"``, and ``"rules"`` under a decision
            fusion that learns to decide.
        layer_decay: Factor of the learning rate from each layer of an encoder to the one below, by modality,
            such as ``{"text": 0.9}``; see `sennit.tasks.training.layer_decay.layer_factors`.
        freeze: Parts that stay as they are: no gradients, norm statistics fixed, no dropout.
        balancing: Method that weighs what shared parameters receive, from the tasks' gradients.
        teacher: Second network that follows the model, for tasks that learn from its outputs. It is saved in
            checkpoints, but not with the model.
        optimizer: Function from parameter groups to an optimizer, such as ``torch.optim.SGD``; AdamW when
            None.

    Raises:
        TypeError: The balancing needs a boundary that the sharing lacks, or an optimizer is no function.
        ValueError: An unknown schedule or part, or numbers out of range.

    Example:
        >>> from sennit.encoders import create_encoder; from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification
        >>> from sennit.tasks.training.optimization import parameter_groups
        >>> encoders = {"a": create_encoder("mlp", 3)}
        >>> fusion = create_fusion("concat", encoders)
        >>> model = MultiTaskModel(encoders=encoders, fusion=fusion, tasks={"y": Classification(2)})
        >>> learner = Learner(model, lr=0.01, schedule="cosine", lr_scale={"heads": 2.0})
        >>> len(parameter_groups(model, lr=0.01, weight_decay=0.1, lr_scale=learner.lr_scale))
        4
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
        layer_decay: Mapping[str, float] | None = None,
        freeze: Sequence[str] = (),
        balancing: Balancing | None = None,
        teacher: Teacher | None = None,
        optimizer: OptimizerFactory | None = None,
    ) -> None:
        super().__init__()
        check_at_least(0, "a Learner", lr=lr, weight_decay=weight_decay)
        scales = dict(lr_scale or {})
        if any(scale <= 0 for scale in scales.values()):
            raise ValueError(f"`lr_scale` should be more than 0. Found {scales}. `freeze` stops a part.")
        if balancing is not None:
            check_part("balancing", balancing, Balancing)
            check_boundary(balancing, model.sharing)
            warn_of_places(balancing, model)
            balancing.bind([n for n, t in model.tasks.items() if balancing.sees(n, weighted=t.weighted)])
        self.model, self.balancing = model, balancing
        self.lr, self.weight_decay, self.warmup, self.lr_scale = lr, weight_decay, warmup, scales
        self.layer_decay = dict(layer_decay or {})
        self.options: dict[str, Any] = {  # which a resumed run must have too
            "lr": lr,
            "weight_decay": weight_decay,
            "warmup": warmup,
            "lr_scale": scales,
            "layer_decay": self.layer_decay or None,
            "freeze": list(freeze),
            "balancing": None if balancing is None else balancing.config,
        }
        self.set_optimization(optimizer=optimizer, schedule=schedule)
        part_of_each(model, scales)
        layer_factors(model, self.layer_decay)
        frozen = part_of_each(model, freeze)
        self._frozen = [m for m in model.modules() if id(m) in frozen]
        for p in model.parameters():
            if id(p) in frozen:
                p.requires_grad_(False)
        bind_teacher(teacher, model)  # which shares what is frozen
        self.teacher, self.options["teacher"] = teacher, None if teacher is None else teacher.config
        parts = [*model.modules(), *(balancing.modules() if balancing is not None else ())]
        self._epoch_parts: list[Any] = [part for part in parts if hasattr(part, "on_epoch_start")]
        self._recheck: tuple[Prepared, list[Tensor]] | None = None
        self._steps, self._finite, self._idle = math.inf, FiniteLosses(), IdleTasks(model.tasks)
        self._to_restore: dict[str, Any] | None = None
        self.train(self.training)

    def forward(self, batch: Batch) -> dict[str, TaskOutput]:
        return self.model(batch)  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Learner:
        super().train(mode)
        for module in self._frozen:
            module.training = False
        return self

    def on_train_start(self) -> None:
        self._steps = float(self.trainer.estimated_stepping_batches)
        check_ramps(self.model, self._steps)
        # Nothing that counts has drawn a random number yet.
        if self._to_restore is not None:
            state, self._to_restore = self._to_restore, None
            varies = self.schedule != "constant" or self.warmup
            schedule = self.options["schedule"] if varies else None
            check_same_length(self.model, schedule, state.get("steps", self._steps), self._steps)
            restore_run(self, state)

    def on_train_epoch_start(self) -> None:
        self.train()  # calls of `model.train()` have woken frozen parts
        for part in self._epoch_parts:
            part.on_epoch_start(self.current_epoch)

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        self._idle.warn(self.model)

    def training_step(self, batch: Batches, batch_idx: int) -> Tensor | None:
        self.begin_step(batch_idx)
        teacher = None if self.teacher is None else self.teacher.network
        done = self.global_step
        progress = Progress(done, self._steps)
        step = prepare(self.model, batch, progress=progress, teacher=teacher)
        if self.model.weighting.recheck:
            self._recheck = step, torch_random_state(self.device)
        every = self.trainer.log_every_n_steps
        logs = done == 0 or (done + 1) % every == 0  # steps that the loggers write
        try:
            loss, parts = self._loss(step, diagnostics=logs)
        except NothingToLearn as error:  # by chance, unless it is so in all batches of an epoch
            self._recheck = None
            self._idle.step((), batch_idx)
            return self.passed_over(error)
        self.learned()
        self._finite.add(done, parts)
        self._idle.step(parts, batch_idx)
        if logs:
            self._finite.check()
            self._log_parts(parts, sum(b.batch_size for b in step.batches))
        return loss

    def _loss(self, step: Prepared, *, diagnostics: bool) -> tuple[Tensor, dict[str, Tensor]]:
        if self.balancing is None:
            return self.model.loss(step, diagnostics=diagnostics)
        scaler = getattr(self.trainer.precision_plugin, "scaler", None)  # of half precision
        scale = 1.0 if scaler is None else scaler.get_scale()
        return balanced_loss(self.model, self.balancing, step, scale=scale, diagnostics=diagnostics)

    def _log_parts(self, parts: Mapping[str, Tensor], size: int) -> None:
        forget_last_step(self.trainer)
        self.log("loss", parts["loss"], prog_bar=True, logger=False, batch_size=size)
        self.log_dict({f"train/{k}": v for k, v in parts.items()}, batch_size=size)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        self.model.sharing.after_step()
        if self._recheck is not None:
            # Not after the batch: a checkpoint may be written before that.
            (step, state), self._recheck = self._recheck, None
            second_look(self, self.model, step, state)
        if self.teacher is not None:
            self.teacher.after_step(self.model)
        for task in self.model.tasks.values():
            task.after_step()

    def on_validation_start(self) -> None:
        self._check_finite()

    def on_train_end(self) -> None:
        self._check_finite()

    def _check_finite(self) -> None:
        """Refuse what is not finite before it is scored, kept or returned."""
        self._finite.check()
        refuse_infinite_weights(self, self.global_step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._check_finite()
        checkpoint["sennit"] = {**run_state(self, self.options), "steps": self._steps}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        trainer = self._trainer
        where = "the checkpoint" if trainer is None else f"'{trainer.ckpt_path}'"
        check_shapes(where, checkpoint["state_dict"], self.state_dict())
        if "sennit" not in checkpoint:
            return
        restore_parts(where, self, checkpoint["sennit"])
        if trainer is not None and trainer.state.fn == "fit":
            self._to_restore = checkpoint["sennit"]
            check_options(where, checkpoint["sennit"]["options"], self.options)
