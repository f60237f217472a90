"""Arguments of `sennit.tasks.fit` that cannot be met, refused before the training."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch

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
    """Refuse a training without a length, with two, or with one that is out of range."""
    if (epochs is None) == (steps is None):
        raise ValueError(
            f"a training should have `epochs` or `steps`, and not both. Found epochs={epochs} and "
            f"steps={steps}."
        )
    check_counts(epochs=epochs, steps=steps)
    if max_time is None:
        return
    if isinstance(max_time, bool) or not isinstance(max_time, (int, float)):
        raise TypeError(f"`max_time` should be a number of seconds. Found {max_time!r}.")
    if not max_time > 0:  # NaN is not
        raise ValueError(f"`max_time` should be more than 0. Found {max_time}.")


def check_counts(**counts: int | None) -> None:
    """Refuse numbers of steps, batches or processes that are not whole, or not above 0."""
    for name, count in counts.items():
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int):
            raise TypeError(f"`{name}` should be a whole number. Found {count!r}.")
        if count <= 0:
            raise ValueError(f"`{name}` should be more than 0. Found {count}.")


def check_loaders(loaders: Mapping[str, Any], *, resumable: bool) -> None:
    """Refuse a training without a loader and, where it should resume, with loaders that cannot."""
    if not loaders:
        raise ValueError("`train` should hold at least one loader. Found none.")
    for name, loader in loaders.items():
        if resumable and not isinstance(loader, ResumableLoader):
            raise TypeError(
                f"`train` should be a ResumableLoader, or several by name. Found a {type(loader).__name__}"
                f"{' under ' + repr(name) if name else ''}, which cannot resume in mid-epoch. Without a "
                f"`folder` there is nothing to resume, and any loader will do."
            )


def check_loader_names(model: MultiTaskModel, loaders: Mapping[str, Any]) -> None:
    """Refuse tasks that learn from loaders which the training does not have."""
    for name, task in model.tasks.items():
        for loader in task.loaders or ():
            if loader in loaders:
                continue
            if "" in loaders:
                raise ValueError(
                    f"`train` should name its loaders, as task '{name}' learns from '{loader}'. Found one "
                    f"without a name. Give train={{'{loader}': loader}}."
                )
            raise unknown_name(f"loader that task '{name}' learns from", loader, loaders)


def check_validation(validation: Any) -> None:
    """Refuse validation data that is neither a loader nor several by name."""
    if isinstance(validation, Mapping):
        if not validation:
            raise ValueError("`validation` should hold at least one loader. Found none. Leave it None.")
        if not all(isinstance(name, str) and name and "/" not in name for name in validation):
            raise ValueError(f"names in `validation` should be words without '/'. Found {list(validation)}.")
    for loader in validation.values() if isinstance(validation, Mapping) else [validation]:
        if loader is not None and (isinstance(loader, (list, str)) or not isinstance(loader, Iterable)):
            raise TypeError(
                f"`validation` should be a loader, or several by name. Found a {type(loader).__name__}. "
                f"Give a DataLoader, or a mapping from names to DataLoaders."
            )


def check_folder(monitor: str | None, every: int | None, resume: bool) -> None:
    """Refuse what needs checkpoints where there is no folder for them."""
    for name, value in {"monitor": monitor, "checkpoint_every": every, "resume": resume or None}.items():
        if value is not None:
            raise ValueError(f"`{name}` needs a `folder` for checkpoints. Found {value!r} without one.")


def check_trainer_options(options: Any) -> None:
    """Refuse options that a Trainer does not have, and those that `fit` sets."""
    if not isinstance(options, Mapping):
        raise TypeError(f"`trainer_options` should be a mapping from names to values. Found {options!r}.")
    accepted = [name for name in inspect.signature(pl.Trainer.__init__).parameters if name != "self"]
    for name in options:
        if name == "plugins":
            raise ValueError("`trainer_options` should not hold 'plugins': `fit` brings its own.")
        if name in _SET_BY_FIT:
            raise ValueError(
                f"`trainer_options` should not hold '{name}', which `fit` sets. Use its argument "
                f"`{_SET_BY_FIT[name]}`."
            )
        if name not in accepted:
            raise unknown_name("option of a Trainer", name, accepted)
    check_counts(num_nodes=options.get("num_nodes"))


def check_lists(**lists: Any) -> None:
    """Refuse a single callback or logger where a list of them should be."""
    for name, given in lists.items():
        if isinstance(given, str) or not isinstance(given, Sequence):
            raise TypeError(f"`{name}` should be a list. Found {given!r}. Put a single one into a list.")


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Refuse callbacks that are not Lightning's."""
    for callback in callbacks:
        if not isinstance(callback, pl.Callback):
            raise TypeError(
                f"`callbacks` should hold Lightning callbacks. Found a {type(callback).__name__}: "
                f"{callback!r}. Give instances, not classes."
            )


def compile_options(compile: bool | Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the options of `torch.compile`; None where nothing is to be compiled.

    Raises:
        TypeError: ``compile`` is neither a truth value nor a mapping.
        ValueError: `torch.compile` does not have an option.
    """
    if not isinstance(compile, (bool, Mapping)):
        raise TypeError(f"`compile` should be True, False or options of torch.compile. Found {compile!r}.")
    options = dict(compile) if isinstance(compile, Mapping) else {}
    accepted = [name for name in inspect.signature(torch.compile).parameters if name != "model"]
    for name in options:
        if name not in accepted:
            raise unknown_name("option in `compile`", name, accepted)
    return options if compile is not False else None


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
