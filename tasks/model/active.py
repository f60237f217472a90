"""Which tasks learn from a batch, and from which of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist

from sennit.data import Batch, View
from sennit.tasks.model.network import Network


class NothingToLearn(ValueError):
    """A step in which no task has a label, or the views that it compares."""


def active_tasks(network: Network, batches: Sequence[Batch]) -> tuple[bool, ...]:
    """Return which tasks have something to learn from in these batches (on any rank).

    Raises:
        NothingToLearn: No task has.
    """
    if dist.is_initialized():
        counts = [[_rows(network, name, b) for b in batches] for name in network.views]
        joined = torch.tensor(counts, device=device_of(batches))
        dist.all_reduce(joined)
        counts = joined.tolist()
        enough = [task.least_rows for task in network.tasks_by_name.values()]
        active = tuple(max(of_task) >= n for of_task, n in zip(counts, enough, strict=True))
    else:
        active = tuple(
            any(_rows(network, name, b) >= task.least_rows for b in batches)
            for name, task in network.tasks_by_name.items()
        )
    if not any(active):
        raise NothingToLearn(
            f"the batch should have a label (or the views) of at least one of the tasks "
            f"{list(network.tasks)}. Found targets {sorted({t for b in batches for t in b.targets})} "
            f"without a label, and views {sorted({v for b in batches for v in b.views})}."
        )
    return active


def learns_from(network: Network, name: str, batch: Batch, *, labelled: bool = True) -> bool:
    """Return whether a batch has the views of a task and, unless that is not asked for, its labels."""
    task, views = network.tasks_by_name[name], network.views[name]
    if batch.tasks is not None and name not in batch.tasks:
        return False
    if not task.learns_from(batch) or not all(view in batch.views for view in network.needed[name] if view):
        return False
    if task.target is None:
        return True
    if task.drawn is not None:
        return task.drawn in (batch.views[views[0]] if views[0] else batch).drawn
    return name in batch.targets and not (labelled and name in batch.unlabelled)


def _rows(network: Network, name: str, batch: Batch) -> int:
    """Return how many samples of a batch a task learns from, as far as missing modalities decide."""
    if not learns_from(network, name, batch):
        return 0
    whole = network.reads[network.readings.of_task[name][0]] is None and name not in network.source_readers
    if whole and network.needed[name] == ("",):
        return batch.batch_size  # each sample of a batch has a modality
    counted = counted_rows(network, name, batch)
    return batch.batch_size if counted is None else int(counted.sum())


def readable_rows(network: Network, reading: str, view: View) -> Tensor | None:
    """Return which rows of a view have a modality that a reading sees; None for all."""
    readable = network.readable(reading, view)
    if readable is None and not view.all_present:
        readable = torch.stack(list(view.present.values())).any(0)
    return readable


def counted_rows(network: Network, name: str, batch: Batch) -> Tensor | None:
    """Return which samples of a batch a task can read in every view that it needs ``[B]``; None for all."""
    counted: Tensor | None = None
    for view_name in network.needed[name]:
        view = batch.views[view_name] if view_name else batch
        for reading in network.readings.of_task[name]:
            readable = readable_rows(network, reading, view)
            if view.rows is not None:
                readable = _of_samples(readable, view.rows, batch.batch_size)
            counted = both(counted, readable)
    return counted


def _of_samples(readable: Tensor | None, rows: Tensor, size: int) -> Tensor:
    """Return which samples have rows in a view, all of them readable."""
    kept = torch.zeros(size, dtype=torch.bool, device=rows.device)
    kept[rows] = True
    if readable is not None:
        kept[rows[~readable]] = False
    return kept


def both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Return where both masks are set; None for everywhere. The second may have fewer axes."""
    if a is None or b is None:
        return b if a is None else a
    return a & b.reshape(-1, *[1] * (a.dim() - 1))


def device_of(batches: Sequence[Batch]) -> torch.device:
    """Return the device of a step's batches."""
    return next(iter(batches[0].inputs.values())).device
