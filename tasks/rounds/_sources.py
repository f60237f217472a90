"""The two kinds of data that a pool reads: one large batch, or samples by index."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sennit.data import Batch, BatchDataset, View
from sennit.data.validation import label_flags


class BatchSource:
    """Samples of a `BatchDataset`, with the labels that are shown; those that the data hold stay apart.

    Args:
        data: Dataset whose batch has an ``index``.
    """

    def __init__(self, data: BatchDataset) -> None:
        self.data = data
        batch = data.batch
        self.ids = [] if batch.index is None else [int(i) for i in batch.index]
        self.tasks = tuple(batch.targets)
        self.targets = {task: target.clone() for task, target in batch.targets.items()}
        self.labelled = {task: flags.clone() for task, flags in batch.labelled.items()}

    def copy(self) -> BatchSource:
        """Return the same data with shown labels that change apart from these."""
        new = BatchSource(self.data)
        new.targets = {task: target.clone() for task, target in self.targets.items()}
        new.labelled = {task: flags.clone() for task, flags in self.labelled.items()}
        return new

    def holds(self, task: str, rows: Sequence[int]) -> list[bool]:
        """Return whether the data hold a label."""
        flags = self.data.batch.labelled[task][rows]
        return (flags.flatten(1).any(1) if flags.dim() > 1 else flags).tolist()

    def reveal(self, task: str, rows: Sequence[int]) -> None:
        """Show the labels that the data hold."""
        self.targets[task][rows] = self.data.batch.targets[task][rows]
        self.labelled[task][rows] = self.data.batch.labelled[task][rows]

    def give(self, task: str, row: int, value: Any) -> None:
        """Show a label; NaN marks an entry without one."""
        target, flags = self.targets[task], self.labelled[task]
        new = torch.as_tensor(value).to(target.dtype)
        if new.shape != target.shape[1:]:
            raise ValueError(
                f"a label of '{task}' should have shape {tuple(target.shape[1:])}. Found {tuple(new.shape)}."
            )
        entries = ~new.isnan() if new.is_floating_point() else torch.ones_like(new, dtype=torch.bool)
        if flags.dim() == 1 and not bool(entries.all()):
            raise ValueError(
                f"a label of '{task}' should be complete, since `labelled['{task}']` of the data has one "
                f"flag a sample. Found NaN. Give the data flags in the target's shape."
            )
        target[row] = new.where(entries, 0)
        flags[row] = entries if flags.dim() > 1 else True

    def hide(self, task: str, rows: Sequence[int]) -> None:
        """Hide labels."""
        self.targets[task][rows] = 0
        self.labelled[task][rows] = False

    def value(self, task: str, row: int) -> Any:
        """Return the shown label, with NaN for an entry without one."""
        target, flags = self.targets[task][row], self.labelled[task][row]
        return target if bool(flags.all()) else target.double().where(flags, torch.nan)

    def partial(self, task: str) -> bool:
        """Return whether each entry of a label has a flag."""
        return self.labelled[task].dim() > 1

    def read(self, rows: Sequence[int]) -> Batch:
        """Return a batch in which only the shown labels exist."""
        at = torch.as_tensor(rows)
        # Other renderings are views; a batch among them would bring the hidden labels along.
        views: dict[str, View] = {
            name: view.replaced(targets={}, labelled={}, views={}) if isinstance(view, Batch) else view
            for name, view in self.data.batch.views.items()
        }
        batch = self.data.batch.replaced(targets={}, labelled={}, views=views).select(at)
        labelled = {task: flags[at] for task, flags in self.labelled.items()}
        targets = {task: target[at] for task, target in self.targets.items()}
        batch = batch.replaced(targets=targets, labelled=labelled, **label_flags(labelled))
        return batch if self.data.transform is None else self.data.transform(batch)


class SampleSource:
    """Samples ``{"inputs": ..., "targets": ..., "index": 7}``, with the labels that are shown.

    Args:
        data: Samples by position.
        ids: Ids of the samples; None reads each sample once.
    """

    def __init__(self, data: Any, ids: Sequence[int] | None) -> None:
        self.data = data
        self.hidden: set[tuple[str, int]] = set()
        self.given: dict[int, dict[str, Any]] = {}
        self._holding: dict[str, set[int]] = {}
        self.ids = self._read_all() if ids is None else [int(i) for i in ids]
        self.tasks = tuple(self._holding)

    def _read_all(self) -> list[int]:
        ids = []
        for row in range(len(self.data)):
            sample = self.data[row]
            ids += [int(sample["index"])] if sample.get("index") is not None else []
            for task, value in sample.get("targets", {}).items():
                self._holding.setdefault(task, set()).update([row] if value is not None else [])
        return ids

    def copy(self) -> SampleSource:
        """Return the same data with shown labels that change apart from these."""
        new = copy.copy(self)
        new.hidden = set(self.hidden)
        new.given = {row: dict(values) for row, values in self.given.items()}
        return new

    def _held(self, task: str, row: int) -> Any:
        return self.data[row].get("targets", {}).get(task)

    def holds(self, task: str, rows: Sequence[int]) -> list[bool]:
        """Return whether the data hold a label."""
        if task in self._holding:
            return [row in self._holding[task] for row in rows]
        return [self._held(task, row) is not None for row in rows]

    def reveal(self, task: str, rows: Sequence[int]) -> None:
        """Show the labels that the data hold."""
        for row in rows:
            self.hidden.discard((task, row))
            self.given.get(row, {}).pop(task, None)

    def give(self, task: str, row: int, value: Any) -> None:
        """Show a label."""
        self.given.setdefault(row, {})[task] = value

    def hide(self, task: str, rows: Sequence[int]) -> None:
        """Hide labels."""
        for row in rows:
            self.given.get(row, {}).pop(task, None)
            self.hidden.add((task, row))

    def value(self, task: str, row: int) -> Any:
        """Return the shown label."""
        given = self.given.get(row, {})
        return given[task] if task in given else self._held(task, row)

    def partial(self, task: str) -> bool:
        """Return whether each entry of a label has a flag; `Collate` makes them."""
        return True

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return samples in which only the shown labels exist."""
        return [self._sample(row) for row in rows]

    def _sample(self, row: int) -> dict[str, Any]:
        sample: Mapping[str, Any] = self.data[row]
        shown = {t: y for t, y in sample.get("targets", {}).items() if (t, row) not in self.hidden}
        return {**sample, "targets": shown | self.given.get(row, {}), "index": self.ids[row]}


def plain(value: Any) -> Any:
    """Return a label as a plain JSON value."""
    return value.tolist() if isinstance(value, Tensor) or hasattr(value, "tolist") else value
