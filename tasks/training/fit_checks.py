"""Arguments of `sennit.tasks.fit` that cannot be met, refused before the training."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from sennit.data import ResumableLoader
from sennit.registry import unknown_name
from sennit.tasks.model.model import MultiTaskModel

# Options of a Trainer that `fit` sets, with its argument that decides on each.
_SET_BY_FIT = {
    "accelerator": "accelerator",
    "accumulate_grad_batches": "accumulate",
    "callbacks": "callbacks",
    "devices": "devices",
    "enable_checkpointing": "folder",
    "enable_model_summary": "progress",
    "enable_progress_bar": "progress",
    "gradient_clip_val": "clip",
    "logger": "loggers",
    "max_epochs": "epochs",
    "max_steps": "steps",
    "max_time": "max_time",
    "precision": "precision",
}


def check_length(epochs: int | None, steps: int | None, max_time: float | None) -> None:
    if (epochs is None) == (steps is None):
        raise ValueError(
            f"a training should have `epochs` or `steps`, and not both. Found epochs={epochs} and "
            f"steps={steps}."
        )
    for name, value in {"epochs": epochs, "steps": steps, "max_time": max_time}.items():
        if value is not None and value <= 0:
            raise ValueError(f"`{name}` should be more than 0. Found {value}.")


def check_loaders(loaders: Mapping[str, Any], *, resumable: bool) -> None:
    for name, loader in loaders.items():
        if resumable and not isinstance(loader, ResumableLoader):
            raise TypeError(
                f"`train` should be a ResumableLoader, or several by name. Found a {type(loader).__name__}"
                f"{' under ' + repr(name) if name else ''}, which cannot resume in mid-epoch. Without a "
                f"`folder` there is nothing to resume, and any loader will do."
            )


def check_folder(monitor: str | None, every: int | None, resume: bool) -> None:
    """Refuse what needs checkpoints where there is no folder for them."""
    for name, value in {"monitor": monitor, "checkpoint_every": every, "resume": resume or None}.items():
        if value is not None:
            raise ValueError(f"`{name}` needs a `folder` for checkpoints. Found {value!r} without one.")


def check_monitor(
    model: MultiTaskModel,
    validation: Any,
    *,
    monitor: str | None,
    mode: str,
    patience: int | None,
    steps: int | None,
) -> None:
    if mode not in ("max", "min"):
        raise ValueError(f"`mode` should be 'max' or 'min'. Found '{mode}'.")
    if patience is not None and monitor is None:
        raise ValueError("`patience` needs `monitor`: the value that should get better. Found none.")
    if isinstance(validation, Mapping) and any("/" in name or not name for name in validation):
        raise ValueError(f"names in `validation` should be words without '/'. Found {list(validation)}.")
    if monitor is None:
        return
    if not validation:
        raise ValueError(f"`monitor` needs `validation` data. Found none for '{monitor}'.")
    if steps is not None:
        raise ValueError(
            f"`monitor` chooses among epochs, and `steps` may end within one. Found '{monitor}' and "
            f"steps={steps}. Pass `epochs`."
        )
    prefixes = [f"val/{name}" for name in validation] if isinstance(validation, Mapping) else ["val"]
    metrics = [f"{task}/{key}" for task in model.with_head for key in _metrics_of(model, task)]
    values = [f"{prefix}/{metric}" for prefix in prefixes for metric in metrics]
    if monitor not in values:
        raise unknown_name("value to monitor", monitor, values)


def _metrics_of(model: MultiTaskModel, task: str) -> Sequence[str]:
    return [str(key) for key in model.tasks[task].metrics()] if model.tasks[task].target is not None else []


def check_trainer_options(options: Mapping[str, Any]) -> None:
    for name in options:
        if name == "plugins":
            raise ValueError("`trainer_options` should not hold 'plugins': `fit` brings its own.")
        if name in _SET_BY_FIT:
            raise ValueError(
                f"`trainer_options` should not hold '{name}', which `fit` sets. Use its argument "
                f"`{_SET_BY_FIT[name]}`."
            )
        accepted = inspect.signature(pl.Trainer.__init__).parameters
        if name not in accepted:
            raise unknown_name("option of a Trainer", name, [n for n in accepted if n != "self"])


def check_callbacks(callbacks: Sequence[Any]) -> None:
    for callback in callbacks:
        if not isinstance(callback, pl.Callback):
            raise TypeError(
                f"`callbacks` should hold Lightning callbacks. Found a {type(callback).__name__}: "
                f"{callback!r}. Give instances, not classes."
            )


def warn_of_unfitted(model: MultiTaskModel) -> None:
    """Warn where a fusion would be trained on random features and groups instead of measured ones."""
    columns = model.fused_encoders
    names = {f.registry_name: None for c in columns for f in c.fusions() if f.fits and not f.fitted}
    for name in names:
        warnings.warn(
            f"fusion '{name}' should be fitted to training data before the training. Found it unfitted: its "
            f"choices are random. Call `model.fit_preprocessing(batch)` first.",
            stacklevel=3,
        )
