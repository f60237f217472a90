"""Passes over data before an epoch, for tasks that learn from what the model makes of all samples."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch import distributed as dist

from sennit.data import Batch, ResumableLoader
from sennit.data.order import rank_and_world_size
from sennit.modes import evaluating
from sennit.registry import unknown_name
from sennit.tasks.contract.hooks import TrainingHooks
from sennit.tasks.memory import gathered
from sennit.tasks.model.active import readable_rows
from sennit.tasks.model.heads import build_heads
from sennit.tasks.model.network import Network
from sennit.tasks.training.console import say


class Passes(pl.Callback):
    """Gives tasks what their heads read of all samples of a loader, before each epoch.

    The model is in evaluation mode, without gradients; each rank reads its share. A run that resumes within
    an epoch makes no second pass, since the result is in the task's memory.

    Args:
        loaders: Loader of each task.
        progress: Whether to print a line after each pass.
    """

    def __init__(self, loaders: Mapping[str, Any], *, progress: bool) -> None:
        self.loaders, self.progress = dict(loaders), progress

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        network: Network = pl_module.model
        for name, loader in self.loaders.items():
            start, task = time.perf_counter(), network.tasks_by_name[name]
            if isinstance(loader, ResumableLoader):
                loader.set_epoch(trainer.current_epoch)
            if dist.is_initialized():
                for x in network.buffers():  # the statistics of norms, which differ between ranks
                    dist.broadcast(x, 0)
            context = trainer.precision_plugin.val_step_context()
            with evaluating(network), torch.no_grad(), context:
                features, index = _all_samples(network, name, loader, pl_module.device)
                task.on_pass(features, index)
            if task.renews_head:
                renew_head(network, name, trainer.optimizers)
            if self.progress:
                seconds = time.perf_counter() - start
                epoch = trainer.current_epoch
                say(f"epoch {epoch}: pass for '{name}' over {len(index)} samples, {seconds:.1f} s")


def check_passes(model: Network, passes: Mapping[str, Any], loaders: Mapping[str, Any], ranks: int) -> None:
    """Refuse passes for tasks that take in none, and loaders that serve the training.

    Raises:
        TypeError: A task takes in no passes, or a loader cannot be read again.
        ValueError: An unknown task, a loader of the training, or too few batches for every rank.
    """
    for name, loader in passes.items():
        if name not in model.tasks_by_name:
            raise unknown_name("task in `passes`", name, model.tasks_by_name)
        task = model.tasks_by_name[name]
        if type(task).on_pass is TrainingHooks.on_pass:
            raise TypeError(f"`passes` should be for tasks that take them in. Found '{name}', a {task.kind}.")
        if any(loader is other for other in loaders.values()):
            raise ValueError(
                f"the loader of `passes['{name}']` should not be one of the training, whose position it "
                f"would change. Make another one over the same data, with shuffle=False."
            )
        if isinstance(loader, Iterator) or not hasattr(loader, "__iter__"):
            raise TypeError(
                f"`passes['{name}']` should be a loader that can be read in each epoch. Found a "
                f"{type(loader).__name__}."
            )
        if not isinstance(loader, ResumableLoader) and ranks > 1 and len(loader) < ranks:
            raise ValueError(
                f"`passes['{name}']` should have a batch for each of {ranks} ranks. Found {len(loader)}."
            )


def _all_samples(
    network: Network, name: str, loader: Any, device: torch.device
) -> tuple[dict[str, Tensor], Tensor]:
    """Return what a task's head reads of all samples, by source, and their ids in ascending order."""
    rank, ranks = rank_and_world_size()
    shared = ranks > 1 and not isinstance(loader, ResumableLoader)  # which gives each rank its share itself
    parts: dict[str, list[Tensor]] = {}
    ids: list[Tensor] = []
    for number, batch in enumerate(loader):
        if shared and number % ranks != rank:
            continue
        features, index = _read(network, name, batch.to(device))
        ids.append(index)
        for source, x in features.items():
            parts.setdefault(source, []).append(x)
    joined = {source: torch.cat(x) for source, x in parts.items()}
    index, *values = gathered(torch.cat(ids), *joined.values())
    single, inverse = torch.unique(index, return_inverse=True)
    places = torch.arange(len(index), device=index.device)
    last = places.new_zeros(len(single)).scatter_reduce_(0, inverse, places, "amax", include_self=False)
    return {source: x[last] for source, x in zip(joined, values, strict=True)}, single


def _read(network: Network, name: str, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
    """Return what a task's head reads of the samples that it can read, and their ids."""
    if batch.index is None or bool((batch.index < 0).any()):
        raise ValueError(
            f"every sample in the pass for '{name}' should have an id, to be remembered by. Found none. Let "
            f"the dataset give its samples 'index': their number in the data."
        )
    features, rows = network.features(batch, (name,)), readable_rows(network, name, batch)
    read = features.sources.get(name) or {"": features.by_task[name]}
    if rows is None:
        return {source: x.float() for source, x in read.items()}, batch.index
    return {source: x[rows].float() for source, x in read.items()}, batch.index[rows]


@torch.no_grad()
def renew_head(network: Network, name: str, optimizers: list[Any]) -> None:
    """Make a task's head anew, the same on all ranks, and let the optimizers forget what they had of it.

    Args:
        network: Model.
        name: Name of the task.
        optimizers: Optimizers.
    """
    task, heads = network.tasks_by_name[name], network.heads[name]
    made = build_heads({name: task}, network.sharing.out_dim, len(heads), network.source_readers)[name]
    for p, new in zip(heads.parameters(), made.parameters(), strict=True):
        p.copy_(new)
        if dist.is_initialized():
            dist.broadcast(p, 0)
        for optimizer in optimizers:
            optimizer.state.pop(p, None)
