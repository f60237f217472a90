"""What a checkpoint holds beside the weights so that a training goes on exactly."""

from __future__ import annotations

import warnings
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import CombinedLoader
from sennit.data import ResumableLoader
from sennit.data.random_state import random_state, set_random_state
from torch import Tensor
from torch import distributed as dist


class Resuming(pl.LightningModule):
    """Saves the random numbers of every rank and the state of every loader, and restores them.

    A checkpoint of another model or of other options is refused.
    """

    options: dict[str, Any]
    """What must be the same when a run goes on; plain values."""

    _due: dict[str, Any] | None = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sennit"] = {
            "options": self.options,
            "random": _of_all_ranks(_plain_state(self.device)),
            "loaders": [loader.state_dict() for loader in self._loaders()],
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        trainer = self._trainer
        where = "the checkpoint" if trainer is None else f"'{trainer.ckpt_path}'"
        _check_model(where, checkpoint["state_dict"], self.state_dict())
        if trainer is None or trainer.state.fn != "fit" or "sennit" not in checkpoint:
            return
        self._due = checkpoint["sennit"]
        for name, own in self.options.items():
            before = self._due["options"].get(name)
            if own != before:
                raise ValueError(
                    f"a run should go on with the options that it began with. Found {name}={own!r}, and "
                    f"{name}={before!r} in {where}. Restore it, or start a new run."
                )

    def on_train_start(self) -> None:
        """Restore what the first batch needs; nothing has drawn a random number since that counts."""
        if self._due is None:
            return
        due, self._due = self._due, None
        # Lightning restores loaders before it reads the checkpoint where a schedule asks for their length.
        for loader, state in zip(self._loaders(), due["loaders"], strict=True):
            loader.load_state_dict(state)
        if len(due["random"]) == self.trainer.world_size:
            _set_plain_state(due["random"][self.global_rank], self.device)
        else:
            warnings.warn(
                f"a run of {len(due['random'])} processes goes on with {self.trainer.world_size}: its "
                f"random numbers will be others.",
                stacklevel=2,
            )

    def _loaders(self) -> list[ResumableLoader]:
        found = CombinedLoader(self.trainer.train_dataloader).flattened
        return [loader for loader in found if isinstance(loader, ResumableLoader)]


def _check_model(where: str, saved: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    for name in sorted(set(saved) | set(own)):
        shapes = [tuple(state[name].shape) if name in state else None for state in (saved, own)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{where} should be of the same model. Found '{name}' of shape {shapes[0]} there, and "
                f"{shapes[1]} in the model. Was it made with other parts?"
            )


def _plain_state(device: torch.device) -> dict[str, Any]:
    """The states of all generators, as tensors and plain values that load without executing anything."""
    cpu, (version, words, gauss), numpy = random_state()
    gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    numpy = [numpy[0], numpy[1].tolist(), *numpy[2:]]
    return {"cpu": cpu, "gpu": gpu, "python": [version, list(words), gauss], "numpy": numpy}


def _set_plain_state(state: dict[str, Any], device: torch.device) -> None:
    version, words, gauss = state["python"]
    set_random_state((state["cpu"], (version, tuple(words), gauss), tuple(state["numpy"])))
    if device.type == "cuda" and state["gpu"] is not None:
        torch.cuda.set_rng_state(state["gpu"], device)


def _of_all_ranks(own: Any) -> list[Any]:
    if not dist.is_initialized():
        return [own]
    states: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(states, own)
    return states
