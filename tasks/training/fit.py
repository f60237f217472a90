"""Trains a `Learner`: one call that can be killed at any moment and taken up again."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping, RichProgressBar
from sennit.data import ResumableLoader
from sennit.tasks.training.checkpoints import Checkpoints, SafeCheckpointIO, read_checkpoint
from sennit.tasks.training.learner import Learner
from sennit.tasks.training.logs import make_loggers
from sennit.tasks.training.trainer_callbacks import (
    MovingAverage,
    Waiting,
    check_choice,
    interruptible,
    quiet,
    say,
    warn_of_unfitted,
)


@dataclass(frozen=True)
class Fitted:
    """What a fit ended with.

    Attributes:
        best: The best monitored value, if one was monitored.
        steps: Optimizer steps, in all.
        epochs: Epochs, in all.
        waiting: Share of the time that this process spent waiting for training data, 0 to 1.
        checkpoint: ``last.ckpt``.
        best_checkpoint: ``best.ckpt``, if a value was monitored.
    """

    best: float | None
    steps: int
    epochs: int
    waiting: float
    checkpoint: Path
    best_checkpoint: Path | None = None


def fit(
    learner: Learner,
    train: ResumableLoader | Mapping[str, ResumableLoader],
    validation: Any = None,
    *,
    folder: str | os.PathLike[str],
    epochs: int,
    precision: str = "32-true",
    clip: float | None = None,
    accumulate: int = 1,
    ema: float | None = None,
    monitor: str | None = None,
    mode: str = "max",
    patience: int | None = None,
    checkpoint_every: int | None = None,
    accelerator: str = "auto",
    devices: int = 1,
    progress: bool = True,
    resume: bool = False,
) -> Fitted:
    """Train, keep checkpoints and logs, and leave the chosen weights in the model.

    The weights are those of the best validation where ``monitor`` names a value, else the last; with
    ``ema``, their moving average. A run that was killed or interrupted goes on with ``resume`` exactly as
    if nothing had happened: on a CPU it ends with the same weights, bit for bit.

    Args:
        learner: What to train.
        train: A loader, or several by name: their batches make one step, and shorter ones start anew
            until the longest is through.
        validation: A loader of validation data.
        folder: Where ``last.ckpt``, ``best.ckpt``, ``metrics.csv`` and TensorBoard's events go.
        epochs: Passes over the training data, at most.
        precision: As Lightning names it: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"``.
        clip: Largest norm of the gradient.
        accumulate: Batches that make one optimizer step.
        ema: Decay of the moving average of the weights, such as 0.999.
        monitor: The validation value that chooses the weights: ``"val/<task>/<metric>"``.
        mode: Whether the best value is the ``"max"`` or the ``"min"``.
        patience: Epochs without a better value after which to stop.
        checkpoint_every: Steps between checkpoints; one is also written after each epoch.
        accelerator: As Lightning names it.
        devices: Processes; each takes a share of every batch (DDP).
        progress: Whether to show a progress bar.
        resume: Go on from the folder's ``last.ckpt``; start anew where there is none.

    Raises:
        FileExistsError: The folder holds a run already, and ``resume`` is False.
        ValueError: ``monitor`` without validation data or of a value that no task has, ``patience``
            without ``monitor``; a damaged checkpoint, or one of another model or of other options.
        OSError: A checkpoint cannot be written; the one before stays.
        KeyboardInterrupt: After a message that says where a resumed run goes on.

    Example:
        >>> import tempfile, torch
        >>> from sennit.data import Batch, BatchDataset
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
        ...     fitted = fit(  # doctest: +ELLIPSIS
        ...         Learner(model), loader, folder=folder, epochs=2, accelerator="cpu", progress=False
        ...     )
        epoch 2, step 4: waited for data ... of the time
        >>> fitted.steps
        4
    """
    folder = Path(folder).resolve()
    last, best = folder / "last.ckpt", folder / "best.ckpt"
    if last.exists() and not resume:
        raise FileExistsError(
            f"`folder` should hold no run yet. Found '{last}'. Pass resume=True to go on with it, "
            f"or name another folder."
        )
    loaders = dict(train) if isinstance(train, Mapping) else {"": train}
    for name, loader in loaders.items():
        if not isinstance(loader, ResumableLoader):
            raise TypeError(
                f"`train` should be a ResumableLoader, or several by name. Found a {type(loader).__name__}"
                f"{' under ' + repr(name) if name else ''}, which cannot go on in mid-epoch."
            )
    check_choice(learner, validation, monitor, mode, patience)
    went_on = last if last.exists() else None
    if went_on is None:
        warn_of_unfitted(learner)
    checkpoints = Checkpoints(folder, every=checkpoint_every, monitor=monitor, mode=mode)
    waiting = Waiting(loaders.values())
    callbacks: list[pl.Callback] = [waiting, checkpoints]
    if ema is not None:
        callbacks.append(MovingAverage(ema))
    if monitor is not None and patience is not None:
        callbacks.append(EarlyStopping(monitor, patience=patience, mode=mode, check_finite=False))
    if progress:
        callbacks.append(RichProgressBar())
    with quiet():
        trainer = pl.Trainer(
            accelerator=accelerator,
            devices=devices,
            strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",
            precision=precision,
            max_epochs=epochs,
            gradient_clip_val=clip,
            accumulate_grad_batches=accumulate,
            logger=make_loggers(folder, went_on),
            log_every_n_steps=min(50, math.ceil(max(map(len, loaders.values())) / (devices * accumulate))),
            callbacks=callbacks,
            plugins=[SafeCheckpointIO()],
            enable_progress_bar=progress,
            enable_model_summary=progress,
        )
        with interruptible(checkpoints):
            given = train if isinstance(train, ResumableLoader) else loaders
            trainer.fit(learner, given, validation, ckpt_path=went_on, weights_only=True)
    chosen = last if monitor is None else best
    learner.load_state_dict(read_checkpoint(chosen)["state_dict"])
    say(
        f"epoch {trainer.current_epoch}, step {trainer.global_step}: waited for data "
        f"{waiting.share:.1%} of the time"
    )
    return Fitted(
        checkpoints.best,
        trainer.global_step,
        trainer.current_epoch,
        waiting.share,
        last,
        None if monitor is None else best,
    )
