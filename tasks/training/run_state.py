"""State of a run beside its weights: random numbers of every rank, loaders, options."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from torch import Tensor
from torch import distributed as dist

from sennit.data import ResumableLoader
from sennit.data.random_state import random_state, set_random_state


def run_state(module: pl.LightningModule, options: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint needs so that its run resumes exactly, in tensors and plain values.

    Args:
        module: Module in training. Of its parts, those that have a ``training_state`` give theirs too.
        options: Options that must be the same in a resumed run.
    """
    return {
        "options": options,
        "random": _of_all_ranks(_random_numbers(module.device)),
        "loaders": [loader.state_dict() for loader in _loaders(module)],
        "parts": {name: part.training_state() for name, part in _parts(module).items()},
    }


def restore_parts(where: str, module: pl.LightningModule, state: dict[str, Any]) -> None:
    """Restore the memories of a module, and whatever else has a ``training_state``, when it is loaded.

    Not at the start of a training, which a run that has ended does not reach.

    Args:
        where: Checkpoint, for the message.
        module: Module.
        state: State of the run, as `run_state` returned it.

    Raises:
        ValueError: The checkpoint has no state for a part, or that of a part of another size.
    """
    saved = state.get("parts", {})
    for name, part in _parts(module).items():
        if name not in saved:
            raise ValueError(
                f"{where} should hold the state of '{name}', a {type(part).__name__}. Found "
                f"{sorted(saved)}. Was it made with other tasks?"
            )
        try:
            part.load_training_state(saved[name])
        except ValueError as error:
            raise ValueError(f"{where} does not fit '{name}': {error}") from None


def _parts(module: pl.LightningModule) -> dict[str, Any]:
    return {name: part for name, part in module.named_modules() if hasattr(part, "training_state")}


def restore_run(module: pl.LightningModule, state: dict[str, Any]) -> None:
    """Restore loaders and random numbers, right before the first batch.

    Args:
        module: Module at the start of its training.
        state: State of the run, as `run_state` returned it.
    """
    # Lightning restores loaders before it reads the checkpoint where a schedule asks for their length.
    for loader, loader_state in zip(_loaders(module), state["loaders"], strict=True):
        loader.load_state_dict(loader_state)
    of_ranks: Sequence[dict[str, Any]] = state["random"]
    if len(of_ranks) == module.trainer.world_size:
        _set_random_numbers(of_ranks[module.global_rank], module.device)
    else:
        warnings.warn(
            f"a run should resume with as many processes as before. Found {module.trainer.world_size} in "
            f"place of {len(of_ranks)}: its random numbers will be others.",
            stacklevel=3,
        )


def check_options(where: str, saved: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse to resume a run with other options.

    Args:
        where: Checkpoint, for the message.
        saved: Options of the run.
        options: Options now.

    Raises:
        ValueError: An option differs.
    """
    for name, value in options.items():
        if saved.get(name) != value:
            raise ValueError(
                f"a run should resume with the options that it began with. Found {name}={value!r}, and "
                f"{name}={saved.get(name)!r} in {where}. Restore it, or start a new run."
            )


def check_shapes(where: str, saved: dict[str, Tensor], state: dict[str, Tensor]) -> None:
    """Refuse a checkpoint of another model.

    Args:
        where: Checkpoint, for the message.
        saved: Tensors of the checkpoint.
        state: Tensors of the model.

    Raises:
        ValueError: A tensor is missing, or has another shape.
    """
    for name in sorted(set(saved) | set(state)):
        before, now = (tuple(s[name].shape) if name in s else None for s in (saved, state))
        if before != now:
            raise ValueError(
                f"{where} should be of the same model. Found '{name}' of shape {before} there, and "
                f"{now} in the model. Was it made with other parts?"
            )


def _loaders(module: pl.LightningModule) -> list[ResumableLoader]:
    loaders = CombinedLoader(module.trainer.train_dataloader).flattened
    return [loader for loader in loaders if isinstance(loader, ResumableLoader)]


def _random_numbers(device: torch.device) -> dict[str, Any]:
    """Return the states of all generators, in values that load without executing anything."""
    cpu, (version, words, gauss), numpy = random_state()
    gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    numpy = [numpy[0], numpy[1].tolist(), *numpy[2:]]
    return {"cpu": cpu, "gpu": gpu, "python": [version, list(words), gauss], "numpy": numpy}


def _set_random_numbers(state: dict[str, Any], device: torch.device) -> None:
    version, words, gauss = state["python"]
    set_random_state((state["cpu"], (version, tuple(words), gauss), tuple(state["numpy"])))
    if device.type == "cuda" and state["gpu"] is not None:
        torch.cuda.set_rng_state(state["gpu"], device)


def torch_random_state(device: torch.device) -> list[Tensor]:
    """Return the states of PyTorch's generators: the CPU's, and a GPU's where the device is one."""
    of_device = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *of_device]


def set_torch_random_state(state: list[Tensor], device: torch.device) -> None:
    """Restore what `torch_random_state` returned."""
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


def _of_all_ranks(state: Any) -> list[Any]:
    if not dist.is_initialized():
        return [state]
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, state)
    return states
