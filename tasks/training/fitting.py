"""Training of a `Learner`: one call that can be killed at any moment and resumed."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, RichProgressBar
from pytorch_lightning.loggers import Logger

from sennit.tasks.training.accumulation import AccumulatedLoader
from sennit.tasks.training.checkpoints import Checkpoints, SafeCheckpointIO, choose_weights
from sennit.tasks.training.compiled import compiled
from sennit.tasks.training.console import interruptible, quiet, say
from sennit.tasks.training.fit_checks import (
    check_callbacks,
    check_counts,
    check_folder,
    check_length,
    check_lists,
    check_loader_names,
    check_loaders,
    check_trainer_options,
    check_validation,
    compile_options,
    warn_of_unfitted,
)
from sennit.tasks.training.fitted import Fitted
from sennit.tasks.training.learner import Learner
from sennit.tasks.training.logs import make_loggers
from sennit.tasks.training.monitored import check_monitor
from sennit.tasks.training.optimization import OptimizerFactory
from sennit.tasks.training.passes import Passes, check_passes
from sennit.tasks.training.schedules import Schedule
from sennit.tasks.training.time_limit import TimeLimit
from sennit.tasks.training.trainer_callbacks import DataWaitTimer, MovingAverage


def fit(
    learner: Learner,
    train: Any,
    validation: Any = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    max_time: float | None = None,
    optimizer: OptimizerFactory | None = None,
    schedule: str | Schedule | None = None,
    precision: str = "32-true",
    clip: float | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    monitor: str | None = None,
    mode: str | None = None,
    patience: int | None = None,
    checkpoint_every: int | None = None,
    passes: Mapping[str, Any] | None = None,
    callbacks: Sequence[pl.Callback] = (),
    loggers: Sequence[Logger | str] = (),
    compile: bool | Mapping[str, Any] = False,
    accelerator: str = "auto",
    devices: int = 1,
    trainer_options: Mapping[str, Any] | None = None,
    progress: bool = True,
    resume: bool = False,
) -> Fitted:
    """Train, keep checkpoints and logs, and leave the chosen weights in the model.

    The weights are those of the best validation where ``monitor`` names a value, else the last; with
    ``ema``, their moving average. A run that was killed or interrupted continues with ``resume`` exactly as
    if nothing had happened: on a CPU it ends with the same weights, bit for bit. A callback
    resumes as exactly where its ``state_dict`` holds all that it needs, in tensors and plain values.

    Args:
        learner: Model and how it learns.
        train: A `ResumableLoader`, or several by name: their batches make one step, and shorter ones start
            anew until the longest is through. Without a ``folder``, loaders of any kind.
        validation: A loader of validation data, or several by name.
        folder: Folder for ``last.ckpt``, ``best.ckpt`` and ``metrics.csv``; None keeps nothing on the disk.
        epochs: Largest number of passes over the training data; either this or ``steps``.
        steps: Number of optimizer steps.
        max_time: Seconds of training, over all resumptions, after which to stop; a run that it stopped
            resumes with a longer one.
        optimizer: Optimizer in place of AdamW: from parameter groups that have their learning rates and
            weight decays, such as ``torch.optim.SGD`` or ``functools.partial(torch.optim.SGD, momentum=.9)``.
        schedule: Schedule in place of the learner's: a name, or a function from an optimizer and the number
            of its steps to a scheduler that moves once a step.
        precision: Lightning's name of the precision: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"``.
        clip: Largest norm of the gradient.
        accumulate: Batches that make one optimizer step, as one batch of all of them would.
        ema: Decay of the moving average of the weights, such as 0.999.
        monitor: Validation value that chooses the weights: ``"val/<task>/<metric>"``, ``"val/<task>/loss"``,
            ``"val/loss"`` (the sum of the tasks' losses) or ``"val/mean"`` (the mean over the tasks of the
            first metric that is best at its largest); ``"val/<name>/..."`` where ``validation`` has names.
        mode: Whether the best value is the ``"max"`` or the ``"min"``; the metric says it when None.
        patience: Epochs without a better value after which to stop.
        checkpoint_every: Steps between checkpoints; one is also written after each epoch.
        passes: Loaders, by task, that are read whole before each epoch, in evaluation mode, for tasks that
            learn from all samples at once, such as `DeepCluster`.
        callbacks: Further Lightning callbacks.
        loggers: Lightning loggers beside ``metrics.csv``, or ``"tensorboard"``, ``"wandb"``, ``"mlflow"``.
        compile: Whether to compile encoders and fusion for the training, or options of `torch.compile`.
        accelerator: Lightning's name of the accelerator, such as ``"cpu"``.
        devices: Number of processes; each takes a share of every batch (DDP).
        trainer_options: Further options of Lightning's Trainer, such as ``{"deterministic": True}``.
        progress: Whether to show a progress bar and a line at the end. Without it a training is silent.
        resume: Whether to continue from the folder's ``last.ckpt``; starts anew where there is none.

    Raises:
        FileExistsError: The folder holds a run already, and ``resume`` is False.
        ValueError: ``monitor`` without validation data or of a value that no task has, a ``mode`` that is
            not the metric's, ``patience`` without ``monitor``, an option that needs a folder without one, a
            number out of range; a damaged checkpoint, or one of another model or of other options; a loss or
            a weight that is not finite.
        TypeError: A loader that cannot resume, or an option of the wrong type, such as a callback, a logger
            or a factory that is not one.
        OSError: A checkpoint cannot be written; the one before stays.
        KeyboardInterrupt: After a message that says where a resumed run continues.

    Example:
        >>> import tempfile, torch
        >>> from sennit.data import Batch, BatchDataset, ResumableLoader
        >>> from sennit.encoders import create_encoder
        >>> from sennit.fusion import create_fusion
        >>> from sennit.tasks import Classification, MultiTaskModel
        >>> encoders = {"a": create_encoder("mlp", 3), "b": create_encoder("mlp", 5)}
        >>> model = MultiTaskModel(
        ...     encoders=encoders, fusion=create_fusion("gated", encoders), tasks={"y": Classification(2)}
        ... )
        >>> data = BatchDataset(Batch.of(
        ...     {"a": torch.randn(64, 3), "b": torch.randn(64, 5)}, targets={"y": torch.arange(64) % 2}
        ... ))
        >>> loader = ResumableLoader(data, batch_size=32, collate_fn=data.collate)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fitted = fit(
        ...         Learner(model), loader, folder=folder, epochs=2, accelerator="cpu", progress=False
        ...     )
        >>> fitted.steps
        4
    """
    folder = None if folder is None else Path(folder).resolve()
    last = None if folder is None else folder / "last.ckpt"
    if last is not None and last.exists() and not resume:
        raise FileExistsError(
            f"`folder` should hold no run yet. Found '{last}'. Pass resume=True to continue it, or name "
            f"another folder."
        )
    loaders = dict(train) if isinstance(train, Mapping) else {"": train}
    check_length(epochs, steps, max_time)
    check_counts(accumulate=accumulate, checkpoint_every=checkpoint_every, devices=devices)
    check_loaders(loaders, resumable=folder is not None)
    check_loader_names(learner.model, loaders)
    check_validation(validation)
    check_lists(callbacks=callbacks, loggers=loggers)
    check_callbacks(callbacks)
    options = {} if trainer_options is None else trainer_options
    check_trainer_options(options)
    options, compiling = dict(options), compile_options(compile)
    direction = check_monitor(
        learner.model, validation, monitor=monitor, mode=mode, patience=patience, steps=steps
    )
    if folder is None:
        check_folder(monitor, checkpoint_every, resume)
    learner.set_optimization(optimizer=optimizer, schedule=schedule)
    resumed = last if last is not None and last.exists() else None
    if resumed is None:
        warn_of_unfitted(learner.model)
    limit = None if max_time is None else TimeLimit(max_time)
    checkpoints = None
    if folder is not None:
        checkpoints = Checkpoints(
            folder, every=checkpoint_every, monitor=monitor, mode=direction, limit=limit
        )
    timer = DataWaitTimer(loaders.values())
    parts: list[pl.Callback | None] = [
        timer,
        Passes(passes, progress=progress) if passes else None,
        *callbacks,
        None if ema is None else MovingAverage(ema),
        None
        if monitor is None or patience is None
        else EarlyStopping(monitor, patience=patience, mode=direction, check_finite=False),
        RichProgressBar() if progress else None,
        limit,
        checkpoints,
    ]
    ranks = devices * int(options.get("num_nodes", 1))
    check_passes(learner.model, passes or {}, loaders, ranks)
    options.setdefault("strategy", "ddp_find_unused_parameters_true" if ranks > 1 else "auto")
    options.setdefault("log_every_n_steps", _log_every(loaders, ranks * accumulate))
    with quiet(errors_only=not progress), compiled(learner.model, compiling):
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            precision=precision,
            max_epochs=-1 if epochs is None else epochs,
            max_steps=-1 if steps is None else steps,
            gradient_clip_val=clip,
            accumulate_grad_batches=accumulate,
            logger=make_loggers(folder, resumed, loggers),
            callbacks=[part for part in parts if part is not None],
            plugins=[SafeCheckpointIO()],
            enable_checkpointing=folder is not None,
            enable_progress_bar=progress,
            enable_model_summary=progress,
            **options,
        )
        with interruptible(checkpoints):
            data = loaders if isinstance(train, Mapping) else train
            if accumulate > 1:
                data = AccumulatedLoader(data, accumulate, learner.model)
            trainer.fit(learner, data, validation, ckpt_path=resumed, weights_only=True)
    best = None if folder is None or monitor is None else folder / "best.ckpt"
    if last is not None:
        choose_weights(learner, best, last)
    if progress:
        say(
            f"epoch {trainer.current_epoch}, step {trainer.global_step}: waited for data "
            f"{timer.share:.1%} of the time"
        )
    return Fitted(
        best=None if checkpoints is None else checkpoints.best,
        steps=trainer.global_step,
        epochs=trainer.current_epoch,
        waiting=timer.share,
        checkpoint=last,
        best_checkpoint=best if best is not None and best.exists() else None,
    )


def _log_every(loaders: Mapping[str, Any], batches_a_step: int) -> int:
    sizes = [len(loader) for loader in loaders.values() if isinstance(loader, Sized)]
    return min(50, math.ceil(max(sizes, default=50 * batches_a_step) / batches_a_step))
