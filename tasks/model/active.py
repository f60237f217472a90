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
        counts = _over_ranks([[_rows(network, name, b) for b in batches] for name in network.views], batches)
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


def _over_ranks(counts: list[list[int]], batches: Sequence[Batch]) -> list[list[int]]:
    """Return the sums over the ranks, of which each may have made another number of batches."""
    device = device_of(batches)
    most = torch.tensor(len(batches), device=device)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    joined = torch.zeros(len(counts), int(most), dtype=torch.long, device=device)
    joined[:, : len(batches)] = torch.tensor(counts, device=device)
    dist.all_reduce(joined)
    sums: list[list[int]] = joined.tolist()
    return sums


def learns_from(network: Network, name: str, batch: Batch, *, labelled: bool = True) -> bool:
    """Return whether a batch has the views of a task and, unless that is not asked for, its labels."""
    task, views = network.tasks_by_name[name], network.views[name]
    if batch.tasks is not None and name not in batch.tasks:
        return False
    needed = network.needed[name]
    if not task.learns_from(batch) or (needed != ("",) and not all(v in batch.views for v in needed if v)):
        return False
    if task.target is None:
        return True
    if task.drawn is not None:
        return task.drawn in _view(batch, views[0]).drawn
    return name in batch.targets and not (labelled and name in batch.unlabelled)


def _rows(network: Network, name: str, batch: Batch) -> int:
    """Return how many samples of a batch count for a task; rows of its view, for one with labels."""
    if not learns_from(network, name, batch):
        return 0
    task = network.tasks_by_name[name]
    whole = network.reads[network.readings.of_task[name][0]] is None and name not in network.source_readers
    if whole and network.needed[name] == ("",) and task.drawn is None:
        return batch.batch_size  # each sample of a batch has a modality
    if task.target is None:
        counted, size = counted_rows(network, name, batch), batch.batch_size
    else:
        view = _view(batch, network.views[name][0])
        counted, size = counted_labels(network, name, batch, view), view.batch_size
    if counted is None:
        return size
    return int(counted.reshape(size, -1).any(1).sum())


def _view(batch: Batch, name: str) -> View:
    return batch.views[name] if name else batch


def counted_labels(network: Network, name: str, batch: Batch, view: View) -> Tensor | None:
    """Return which rows, or entries of targets, of a labelled task count in its view; None for all.

    Those with a label, where its head can read the row.
    """
    task, counted = network.tasks_by_name[name], None
    if task.drawn is not None:
        modality = task.drawn.split("/", 1)[0]
        if not view.all_present and modality in view.present:
            counted = view.present[modality]
    elif not batch.all_labelled:
        counted = batch.labelled[name]
        if view.rows is not None:
            counted = counted.index_select(0, view.rows)
    if task.view or network.reads[name] is not None or name in network.source_readers:
        counted = both(counted, readable_rows(network, name, view))
    return counted


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
        view = _view(batch, view_name)
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
