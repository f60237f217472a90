"""Samples of which a round knows some labels, and from which the next one chooses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from sennit.data import BatchDataset
from sennit.registry import check_names
from sennit.tasks.rounds._sources import BatchSource, SampleSource

By = Literal["human", "model", "teacher"]
GIVERS: tuple[str, ...] = get_args(By)
"""By whom a label is; the number that a pool stores is the place here, counted from 1."""


class Pool(Dataset[Any]):
    """A dataset that knows of each task of each sample whether it is labelled, and by whom.

    A label that is not shown reaches no batch: `ResumableLoader` and `DataLoader` read the pool as they
    read the data, with ``collate_fn=pool.collate`` over a `BatchDataset` and ``model.collate`` over samples.
    `label` shows a label that the data hold (as if a person had given it), or one that is given; a label by
    a person never gives way to one by a model. Samples are named by their ids, which a pool needs.

    Args:
        data: A `BatchDataset` whose batch has an ``index``, or samples by position, each with an ``"index"``.
        labelled: Ids that are labelled at first, by task; a task that is not named keeps all labels that the
            data hold. None for all labels that the data hold.
        ids: Ids of the samples, for data that are slow to read; by default each sample is read once. The
            tasks are then those of ``labelled``.

    Attributes:
        ids: Ids of the samples, in the order of the data.
        tasks: Tasks of which some label is known or held.

    Raises:
        ValueError: Samples without an id, or two with the same; an id that is unknown, or labelled at first
            without a label in the data.

    Example:
        >>> from sennit.data import Batch
        >>> batch = Batch.of({"x": torch.zeros(4, 2)}, targets={"y": torch.tensor([0, 1, 1, 0])},
        ...     index=torch.tensor([10, 11, 12, 13]))
        >>> pool = Pool(BatchDataset(batch), labelled={"y": [10]})
        >>> pool.unlabelled("y"), pool[1].labelled["y"].item(), pool[1].targets["y"].item()
        ([11, 12, 13], False, 0)
        >>> pool.label([11], "y")
        >>> pool[1].targets["y"].item(), pool.counts()
        (1, {'y': {'human': 2}})
    """

    def __init__(
        self,
        data: Any,
        *,
        labelled: Mapping[str, Iterable[int]] | None = None,
        ids: Sequence[int] | None = None,
    ) -> None:
        source = BatchSource(data) if isinstance(data, BatchDataset) else SampleSource(data, ids)
        self._source: BatchSource | SampleSource = source
        self.ids = source.ids
        self._row = {i: row for row, i in enumerate(self.ids)}
        _check_ids(self.ids, len(data))
        at_first = {task: list(of_task) for task, of_task in (labelled or {}).items()}
        if isinstance(data, BatchDataset) or ids is None:
            check_names("task of the pool", at_first, source.tasks)
        self.tasks = source.tasks or tuple(at_first)
        self._by = {task: torch.zeros(len(self.ids), dtype=torch.int8) for task in self.tasks}
        for task in self.tasks:
            chosen = self.rows(at_first.get(task, self.ids))
            holds = [row for row, held in zip(chosen, source.holds(task, chosen), strict=True) if held]
            if task in at_first and len(holds) < len(chosen):
                lacking = sorted({self.ids[row] for row in chosen} - {self.ids[row] for row in holds})
                raise ValueError(
                    f"ids in `labelled['{task}']` should have a label in the data. Found none for "
                    f"{lacking[:5]}. Leave them out, or give their labels by `label`."
                )
            self._by[task][holds] = 1
            source.hide(task, (self._by[task] == 0).nonzero().flatten().tolist())

    @property
    def collate(self) -> Callable[[Any], Any] | None:
        """A function for loaders, over a `BatchDataset`; None over samples, which `model.collate` joins."""
        return BatchDataset.collate if isinstance(self._source, BatchSource) else None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Any:
        read = self._source.read([row])
        return read[0] if isinstance(read, list) else read

    def __getitems__(self, rows: Sequence[int]) -> Any:
        return self._source.read(rows)

    def copy(self) -> Pool:
        """Return a pool of the same data whose labels change apart from these."""
        new = copy.copy(self)
        new._source = self._source.copy()
        new._by = {task: by.clone() for task, by in self._by.items()}
        return new

    def rows(self, ids: Iterable[int]) -> list[int]:
        """Return the positions of samples in the data.

        Raises:
            ValueError: An unknown id.
        """
        ids = [int(i) for i in ids]
        unknown = [i for i in ids if i not in self._row]
        if unknown:
            raise ValueError(f"ids should be those of samples of the pool. Found {unknown[:5]}.")
        return [self._row[i] for i in ids]

    def _of(self, task: str) -> Tensor:
        check_names("task of the pool", [task], self._by)
        return self._by[task]

    def label(
        self, ids: Sequence[int], task: str, *, by: By = "human", values: Sequence[Any] | None = None
    ) -> None:
        """Show labels of a task.

        Args:
            ids: Ids of the samples.
            task: Name of the task.
            by: Giver of the labels, ``"human"``, ``"model"`` or ``"teacher"``.
            values: Label of each sample; None for those that the data hold, which are a person's.

        Raises:
            ValueError: An unknown id, task or giver, another number of values, a sample that a person has
                labelled, one that is named twice, or without a label in the data.
        """
        check_names("giver of labels", [by], GIVERS)
        givers, rows = self._of(task), self.rows(ids)
        human = [i for i, row in zip(ids, rows, strict=True) if int(givers[row]) == 1]
        if human or len(set(rows)) < len(rows):
            raise ValueError(
                f"samples should be named once, and have no label of '{task}' by a person yet. Found "
                f"{human[:5] or 'an id twice'}. Withdraw a label first to replace it."
            )
        if values is None:
            lacking = [i for i, held in zip(ids, self._source.holds(task, rows), strict=True) if not held]
            if by != "human" or lacking:
                raise ValueError(
                    f"`values` should be given, unless the labels are a person's that the data hold. Found "
                    f"none, by '{by}', for {lacking[:5] or list(ids)[:5]}."
                )
        elif len(values) != len(rows):
            raise ValueError(f"`values` should hold {len(rows)} labels. Found {len(values)}.")
        if values is None:
            self._source.reveal(task, rows)
        else:
            for row, value in zip(rows, values, strict=True):
                self._source.give(task, row, value)
        givers[rows] = 1 + GIVERS.index(by)

    def withdraw(self, task: str, *, by: By, ids: Iterable[int] | None = None) -> list[int]:
        """Hide labels again.

        Args:
            task: Name of the task.
            by: Giver of the labels.
            ids: Ids of the samples; all with a label by this giver when None.

        Returns:
            The ids whose labels were hidden.
        """
        check_names("giver of labels", [by], GIVERS)
        givers = self._of(task)
        rows = range(len(self)) if ids is None else self.rows(ids)
        hidden = [row for row in rows if int(givers[row]) == 1 + GIVERS.index(by)]
        self._source.hide(task, hidden)
        givers[hidden] = 0
        return [self.ids[row] for row in hidden]

    def givers(self, task: str) -> dict[int, str]:
        """Return by whom each labelled sample of a task is labelled, by id."""
        rows = enumerate(self._of(task).tolist())
        return {self.ids[row]: GIVERS[number - 1] for row, number in rows if number}

    def unlabelled(self, task: str) -> list[int]:
        """Return the ids of the samples without a label of a task, in the order of the data."""
        return [self.ids[row] for row in (self._of(task) == 0).nonzero().flatten().tolist()]

    def values(self, ids: Sequence[int], task: str) -> list[Any]:
        """Return the shown labels of samples.

        Raises:
            ValueError: A sample has no shown label of the task.
        """
        givers, rows = self._of(task), self.rows(ids)
        hidden = [i for i, row in zip(ids, rows, strict=True) if not int(givers[row])]
        if hidden:
            raise ValueError(f"samples should have a label of '{task}'. Found none for {hidden[:5]}.")
        return [self._source.value(task, row) for row in rows]

    def partial(self, task: str) -> bool:
        """Return whether the entries of a label may be known separately."""
        check_names("task of the pool", [task], self._by)
        return self._source.partial(task)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of labels by task and giver."""
        by_task = {task: by.tolist() for task, by in self._by.items()}
        return {
            task: {giver: by.count(k) for k, giver in enumerate(GIVERS, 1) if by.count(k)}
            for task, by in by_task.items()
        }

    def with_labels(self, *tasks: str) -> Subset[Any]:
        """Return the samples that have a label of any of the tasks (of all tasks by default), to train on."""
        labelled = torch.stack([self._of(task) > 0 for task in tasks or self.tasks]).any(0)
        return Subset(self, labelled.nonzero().flatten().tolist())


def _check_ids(ids: Sequence[int], size: int) -> None:
    if len(ids) != size:
        raise ValueError(
            f"every sample of a pool should have an id: an 'index', or `index` of the batch. Found "
            f"{len(ids)} ids for {size} samples. A position would name another sample after a change."
        )
    if len(set(ids)) < len(ids) or any(i < 0 for i in ids):
        raise ValueError(
            "ids of a pool should be 0 or more, and differ. Found one twice, or below 0 (which marks a "
            "sample without an id)."
        )
