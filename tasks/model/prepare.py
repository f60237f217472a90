"""Batches of a step, made ready: modalities hidden, views made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sennit.data import Batch, View
from sennit.fusion import ModalityDropout
from sennit.ramp import FINISHED, Progress
from sennit.tasks._base import Task
from sennit.tasks.model.network import Network
from sennit.tasks.model.traceless import TracelessNetwork


@dataclass(frozen=True)
class Prepared:
    """The batches of a step after modality dropout, with the views that tasks made of them.

    A second look at the same step, as some weightings take it, reads the same object.

    Attributes:
        batches: Batches, named after their loaders.
        teacher: Teacher's network; None without one.
    """

    batches: list[Batch]
    teacher: Network | None = None


Batches = Batch | Mapping[str, Batch] | Sequence[Batch] | Prepared
"""One batch, several (labelled, unlabelled) by loader or in a sequence, or a prepared step."""


def prepare(
    network: Network, batch: Batches, *, progress: Progress = FINISHED, teacher: Network | None = None
) -> Prepared:
    """Draw modality dropout, once for each batch, and let the tasks make their views.

    A modality is hidden before anything is encoded, so that all looks at a sample in a step, of students and
    of teachers, see the same modalities. A view hides what its batch hides, unless its ``shares_presence`` is
    False; a row of a view is never left without any modality that it had.

    Args:
        network: Model.
        batch: Batches; a prepared step is returned as it is.
        progress: Position of the training, which tasks, fusions and other parts read.
        teacher: Teacher's network.
    """
    if isinstance(batch, Prepared):
        return batch
    if network.progress is not progress:  # modules set attributes slowly
        network.progress = progress
    for part in network.step_parts:
        part.on_step_start(progress)
    batches = as_batches(batch)
    if network.training and network.modality_dropout.hides:
        batches = [_hidden(b, network.modality_dropout) for b in batches]
    rendering = [(name, task) for name, task in network.tasks_by_name.items() if renders(task)]
    if rendering:
        traceless = TracelessNetwork(network, teacher)
        for name, task in sorted(rendering, key=lambda item: item[1].replaces):  # stable
            batches = task.render(name, batches, traceless)
    return Prepared(batches, teacher)


def as_batches(batch: Batches) -> list[Batch]:
    """Return one batch, several by loader, which it names, or several in a sequence as a list."""
    if isinstance(batch, Prepared):
        return batch.batches
    if isinstance(batch, Batch):
        return [batch]
    if isinstance(batch, Mapping):
        return [part.replaced(loader=name) for name, part in batch.items()]
    return list(batch)


def renders(task: Task) -> bool:
    """Return whether a task makes views."""
    return type(task).render is not Task.render


def _hidden(batch: Batch, dropout: ModalityDropout) -> Batch:
    hidden: Batch = dropout(batch)
    if hidden is batch:
        return batch
    views = {name: _hidden_view(view, batch, hidden, dropout) for name, view in batch.views.items()}
    return hidden.replaced(observed=batch.present, views=views)


def _hidden_view(view: View, batch: Batch, hidden: Batch, dropout: ModalityDropout) -> View:
    if not view.shares_presence:
        hidden_view: View = dropout(view)
        return hidden_view.replaced(observed=view.present)
    present = {
        m: p & _of_rows(hidden.present[m] | ~batch.present[m], view.rows) for m, p in view.present.items()
    }
    empty = ~torch.stack(list(present.values())).any(0)
    present = {m: p | (empty & view.present[m]) for m, p in present.items()}
    return view.replaced(present=present, observed=view.present, all_present=False)


def _of_rows(flags: Tensor, rows: Tensor | None) -> Tensor:
    return flags if rows is None else flags.index_select(0, rows)
